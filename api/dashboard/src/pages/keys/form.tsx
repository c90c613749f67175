import { type FormEvent, useId, useState } from "react";
import type { KeyRequest, KeyScope } from "../../api/keys.ts";
import { fieldProblems } from "../../api/problem.ts";
import { ErrorNote } from "../../ui/notes.tsx";
import { toggled } from "../jobs/filter.ts";

const SCOPES: { scope: KeyScope; words: string }[] = [
  { scope: "jobs:read", words: "see jobs" },
  { scope: "jobs:write", words: "submit and stop jobs" },
  { scope: "artifacts:read", words: "download files" },
  { scope: "admin", words: "everything, keys too" },
];

interface Props {
  create: (body: KeyRequest) => void;
  isBusy: boolean;
  error: unknown;
}

export function KeyForm({ create, isBusy, error }: Props) {
  const id = useId();
  const [name, setName] = useState("");
  const [scopes, setScopes] = useState<KeyScope[]>(["jobs:read", "jobs:write", "artifacts:read"]);
  const problem = fieldProblems(error).name;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    create({ name: name.trim(), scopes, quotas: {} });
  };
  return (
    <form className="stack" onSubmit={submit} noValidate>
      <div className="field narrow">
        <label htmlFor={id}>Name</label>
        <input
          id={id}
          value={name}
          maxLength={200}
          autoComplete="off"
          placeholder="whose it is"
          aria-invalid={problem ? true : undefined}
          onChange={(event) => setName(event.target.value)}
        />
      </div>
      <fieldset className="row">
        <legend className="unseen">What it may do</legend>
        {SCOPES.map(({ scope, words }) => (
          <label key={scope} className="row tight">
            <input
              type="checkbox"
              checked={scopes.includes(scope)}
              onChange={() => setScopes(toggled(scopes, scope))}
            />
            {words}
          </label>
        ))}
      </fieldset>
      {error !== null && <ErrorNote error={error} />}
      <div>
        <button
          type="submit"
          className="primary"
          disabled={isBusy || name.trim() === "" || scopes.length === 0}
        >
          Make key
        </button>
      </div>
    </form>
  );
}
