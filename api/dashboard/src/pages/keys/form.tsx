import { type FormEvent, useState } from "react";
import type { KeyRequest, KeyScope } from "../../api/keys.ts";
import { fieldProblems, problemAt } from "../../api/problem.ts";
import { TextField } from "../../ui/field.tsx";
import { ErrorNote } from "../../ui/notes.tsx";
import { toggled } from "../../ui/toggled.ts";
import { type Limits, NO_LIMITS, requestOf, SCOPES } from "./quotas.ts";

interface Props {
  create: (body: KeyRequest) => void;
  isBusy: boolean;
  error: unknown;
}

export function KeyForm({ create, isBusy, error }: Props) {
  const [name, setName] = useState("");
  const [scopes, setScopes] = useState<KeyScope[]>(["jobs:read", "jobs:write", "artifacts:read"]);
  const [limits, setLimits] = useState<Limits>(NO_LIMITS);
  const problems = fieldProblems(error);
  const isOnField = ["name", "quotas", "expires_at"].some((field) => field in problems);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    create({ name: name.trim(), scopes, ...requestOf(limits) });
  };
  return (
    <form className="stack" onSubmit={submit} noValidate>
      <div className="narrow">
        <TextField
          label="Name"
          value={name}
          maxLength={200}
          placeholder="owner"
          problem={problems.name}
          change={setName}
        />
      </div>
      <fieldset className="row">
        <legend className="unseen">Scopes</legend>
        {(Object.entries(SCOPES) as [KeyScope, string][]).map(([scope, label]) => (
          <label key={scope} className="row tight">
            <input
              type="checkbox"
              checked={scopes.includes(scope)}
              onChange={() => setScopes(toggled(scopes, scope))}
            />
            {label}
          </label>
        ))}
      </fieldset>
      <LimitFields limits={limits} change={setLimits} error={error} />
      {error !== null && !isOnField && <ErrorNote error={error} />}
      <div>
        <button
          type="submit"
          className="primary"
          disabled={isBusy || name.trim() === "" || scopes.length === 0}
        >
          Create key
        </button>
      </div>
    </form>
  );
}

interface LimitProps {
  limits: Limits;
  change: (limits: Limits) => void;
  error: unknown;
}

function LimitFields({ limits, change, error }: LimitProps) {
  const field = (name: keyof Limits, pointer: string) => ({
    value: limits[name],
    problem: problemAt(error, pointer),
    change: (text: string) => change({ ...limits, [name]: text }),
  });
  return (
    <fieldset className="fields four">
      <legend className="unseen">Limits; empty means no limit</legend>
      <TextField
        label="Jobs in flight"
        help="Unfinished jobs."
        inputMode="numeric"
        placeholder="no limit"
        {...field("jobs", "/quotas/jobs_in_flight")}
      />
      <TextField
        label="GPU hours"
        help="In 30 days."
        inputMode="decimal"
        placeholder="no limit"
        {...field("hours", "/quotas/gpu_hours")}
      />
      <TextField
        label="Files"
        help="For all its jobs, e.g. 50 GB."
        placeholder="no limit"
        {...field("files", "/quotas/artifact_bytes")}
      />
      <TextField
        label="Last day"
        help="The key expires after that day; empty means never."
        type="date"
        {...field("until", "/expires_at")}
      />
    </fieldset>
  );
}
