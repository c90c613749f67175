import { type FormEvent, useState } from "react";
import { problemAt } from "../../api/problem.ts";
import { TextField } from "../../ui/field.tsx";
import { ErrorNote } from "../../ui/notes.tsx";

interface Props {
  store: (secret: { name: string; value: string }) => void;
  isBusy: boolean;
  error: unknown;
}

export function SecretForm({ store, isBusy, error }: Props) {
  const [name, setName] = useState("");
  const [value, setValue] = useState("");
  const problems = { name: problemAt(error, "path/name"), value: problemAt(error, "/value") };
  const isOnField = problems.name !== undefined || problems.value !== undefined;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    store({ name: name.trim(), value: value.trim() });
  };
  return (
    <form className="stack" onSubmit={submit} noValidate>
      <div className="fields">
        <TextField
          label="Name"
          help="Jobs use the secret by this name."
          value={name}
          maxLength={64}
          placeholder="hf-llama"
          problem={problems.name}
          change={setName}
        />
        <TextField
          label="Value"
          help="A token of the model hub. It is never shown again."
          type="password"
          autoComplete="new-password"
          value={value}
          problem={problems.value}
          change={setValue}
        />
      </div>
      {error !== null && !isOnField && <ErrorNote error={error} />}
      <div>
        <button
          type="submit"
          className="primary"
          disabled={isBusy || name.trim() === "" || value.trim() === ""}
        >
          Store secret
        </button>
      </div>
    </form>
  );
}
