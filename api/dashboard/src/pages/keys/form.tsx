import { type FormEvent, useState } from "react";
import type { KeyRequest, KeyScope } from "../../api/keys.ts";
import { fieldProblems, problemAt } from "../../api/problem.ts";
import { TextField } from "../../ui/field.tsx";
import { ErrorNote } from "../../ui/notes.tsx";
import { toggled } from "../jobs/filter.ts";
import { type Limits, limitsAsked, NO_LIMITS } from "./quotas.ts";

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
  const [name, setName] = useState("");
  const [scopes, setScopes] = useState<KeyScope[]>(["jobs:read", "jobs:write", "artifacts:read"]);
  const [limits, setLimits] = useState<Limits>(NO_LIMITS);
  const problems = fieldProblems(error);
  const isOnField = ["name", "quotas", "expires_at"].some((field) => field in problems);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    create({ name: name.trim(), scopes, ...limitsAsked(limits) });
  };
  return (
    <form className="stack" onSubmit={submit} noValidate>
      <div className="narrow">
        <TextField
          label="Name"
          value={name}
          maxLength={200}
          placeholder="whose it is"
          problem={problems.name}
          change={setName}
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
      <LimitFields limits={limits} change={setLimits} error={error} />
      {error !== null && !isOnField && <ErrorNote error={error} />}
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
      <legend className="unseen">Limits; what is empty is not limited</legend>
      <TextField
        label="Jobs in flight"
        help="That have not ended."
        inputMode="numeric"
        placeholder="no limit"
        {...field("jobs", "/quotas/jobs_in_flight")}
      />
      <TextField
        label="GPU hours"
        help="Within 30 days."
        inputMode="decimal"
        placeholder="no limit"
        {...field("hours", "/quotas/gpu_hours")}
      />
      <TextField
        label="Files"
        help="Of all its jobs, such as 50 GB."
        placeholder="no limit"
        {...field("files", "/quotas/artifact_bytes")}
      />
      <TextField
        label="Last day"
        help="It opens nothing after that; empty: it goes on."
        type="date"
        {...field("until", "/expires_at")}
      />
    </fieldset>
  );
}
