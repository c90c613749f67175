import { useQuery } from "@tanstack/react-query";
import { type FormEvent, useId, useState } from "react";
import { isAllowed } from "../../api/actions.ts";
import type { Job } from "../../api/client.ts";
import { caller } from "../../api/keys.ts";
import { problemAt } from "../../api/problem.ts";
import { type Trial, trialsOf, useTrial, useTrialCancel } from "../../api/trials.ts";
import { FieldProblem, TextField } from "../../ui/field.tsx";
import { ErrorNote } from "../../ui/notes.tsx";
import { Scoped } from "../../ui/scoped.tsx";
import { Section } from "../../ui/section.tsx";
import { Ago } from "../../ui/time.tsx";
import { useHasFiles } from "./use-has-files.ts";

/** A form that sends a prompt to the dense and to the pruned model, and the answers so far. */
export function Trials({ job }: { job: Job }) {
  const { data } = useQuery(caller);
  // Of the other keys' jobs, only an admin tries the models.
  const isOwn = data?.scopes.includes("admin") || data?.key?.id === job.created_by;
  const hasModel = useHasFiles(job);
  return isOwn && hasModel ? <Card id={job.id} /> : null;
}

function Card({ id }: { id: string }) {
  const { data = [], error, refetch } = useQuery(trialsOf(id));
  return (
    <Section title="Try a prompt">
      <Scoped scope="jobs:write" to="try a prompt">
        <TrialForm id={id} />
      </Scoped>
      {error !== null && <ErrorNote error={error} retry={refetch} />}
      {data.map((trial) => (
        <Entry key={trial.id} trial={trial} />
      ))}
    </Section>
  );
}

const FIELDS = ["/prompt", "/max_tokens", "/seed"];

function TrialForm({ id }: { id: string }) {
  const [prompt, setPrompt] = useState("");
  const [tokens, setTokens] = useState("64");
  const [seed, setSeed] = useState("");
  const { mutate, isPending, error } = useTrial(id, () => setPrompt(""));
  const isOnField = FIELDS.some((one) => problemAt(error, one) !== undefined);
  const send = (event: FormEvent) => {
    event.preventDefault();
    const drawn = seed.trim() === "" ? null : numeric(seed);
    mutate({ prompt, max_tokens: numeric(tokens), seed: drawn });
  };
  return (
    <form className="stack" onSubmit={send} noValidate>
      <PromptField value={prompt} problem={problemAt(error, "/prompt")} change={setPrompt} />
      <div className="fields">
        <TextField
          label="Most tokens"
          inputMode="numeric"
          value={tokens}
          problem={problemAt(error, "/max_tokens")}
          change={setTokens}
        />
        <TextField
          label="Seed"
          help="Empty: the most likely tokens."
          inputMode="numeric"
          value={seed}
          problem={problemAt(error, "/seed")}
          change={setSeed}
        />
      </div>
      {error !== null && !isOnField && <ErrorNote error={error} />}
      <div>
        <button type="submit" className="primary" disabled={isPending || prompt === ""}>
          Send
        </button>
      </div>
    </form>
  );
}

/** A number, or a text that is none as it is: the service refuses it with the reason. */
function numeric(text: string): number {
  const value = Number(text);
  return text.trim() === "" || Number.isNaN(value) ? (text as never) : value;
}

interface PromptProps {
  value: string;
  problem?: string;
  change: (text: string) => void;
}

function PromptField({ value, problem, change }: PromptProps) {
  const id = useId();
  return (
    <div className="field">
      <label htmlFor={id}>Prompt</label>
      <textarea
        id={id}
        rows={3}
        maxLength={4000}
        value={value}
        aria-invalid={problem ? true : undefined}
        aria-describedby={problem ? `${id}-problem` : undefined}
        onChange={(event) => change(event.target.value)}
      />
      {problem && <FieldProblem id={`${id}-problem`}>{problem}</FieldProblem>}
    </div>
  );
}

function Entry({ trial }: { trial: Trial }) {
  const { id, prompt, answer, created_at } = trial;
  return (
    <figure className="generated">
      <figcaption className="mono wrap">{prompt}</figcaption>
      {answer ? (
        <dl>
          <dt>Dense</dt>
          <dd className="wrap">{answer.dense}</dd>
          <dt>Pruned</dt>
          <dd className="wrap">{answer.pruned}</dd>
        </dl>
      ) : (
        <p className="row">
          <span role="status">{stateInWords(trial)}</span>
          {isAllowed("cancel", trial.status) && <Cancel id={id} job={trial.job_id} />}
        </p>
      )}
      <p className="faint">
        <Ago at={created_at} />
        {trial.seed !== null && <> · seed {trial.seed}</>}
      </p>
    </figure>
  );
}

function Cancel({ id, job }: { id: string; job: string }) {
  const { mutate, isPending, error } = useTrialCancel(job);
  return (
    <>
      <button type="button" disabled={isPending} onClick={() => mutate(id)}>
        Cancel
      </button>
      {error !== null && <ErrorNote error={error} />}
    </>
  );
}

function stateInWords({ status, queue_position, error }: Trial): string {
  if (status === "queued") {
    const place = queue_position === null ? "" : `, number ${queue_position} in the queue`;
    return `waiting for a worker${place}`;
  }
  if (status === "failed" && error) return `failed: ${error.detail}`;
  return status;
}
