import { type FormEvent, type ReactNode, useId, useState } from "react";
import { ProblemError } from "../../api/problem.ts";
import type { Trigger, TriggerRequest, TriggerSource } from "../../api/triggers.ts";
import { TextField } from "../../ui/field.tsx";
import { ErrorNote } from "../../ui/notes.tsx";
import { JsonArea } from "./json-area.tsx";
import { parsedJson } from "./payload.ts";
import { SOURCES, TEMPLATES } from "./templates.ts";
import { ValueTable } from "./values.tsx";

interface Draft {
  name: string;
  source: TriggerSource;
  job: string;
  filter: Record<string, unknown>;
  map: Record<string, string>;
  payload: string;
}

interface Props {
  /** The trigger to change. */
  trigger?: Trigger;
  save: (body: TriggerRequest, payload: string) => void;
  isBusy: boolean;
  error: unknown;
  children?: ReactNode;
}

/** A form for a new or an existing trigger, made from a sample payload. */
export function TriggerForm({ trigger, save, isBusy, error, children }: Props) {
  const [draft, setDraft] = useState<Draft>(() => draftOf(trigger));
  const job = parsedJson(draft.job);
  const payload = parsedJson(draft.payload);
  const put = (part: Partial<Draft>) => setDraft((old) => ({ ...old, ...part }));
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const { name, source, filter, map } = draft;
    const body = { name: name.trim(), source, job: job.value, filter, map };
    save(body as TriggerRequest, draft.payload);
  };
  return (
    <form className="stack" onSubmit={submit} noValidate>
      {!trigger && (
        <SourceChoice chosen={draft.source} choose={(source) => setDraft(templateDraft(source))} />
      )}
      <div className="narrow">
        <TextField
          label="Name"
          value={draft.name}
          maxLength={200}
          change={(name) => put({ name })}
        />
      </div>
      <div className="fields two">
        <JsonArea
          label="Sample payload"
          help="What the source sends; paste one of its messages."
          text={draft.payload}
          isValid={payload.isValid}
          change={(text) => put({ payload: text })}
        />
        <JsonArea
          label="Job"
          help="The fields of the job that are always the same, as JSON."
          text={draft.job}
          isValid={job.isValid}
          change={(text) => put({ job: text })}
        />
      </div>
      <ValueTable payload={payload.value} filter={draft.filter} map={draft.map} change={put} />
      {error !== null && <Refusal error={error} />}
      <div className="row">
        <button
          type="submit"
          className="primary"
          disabled={isBusy || draft.name.trim() === "" || !job.isValid}
        >
          {trigger ? "Save" : "Create trigger"}
        </button>
        {children}
      </div>
    </form>
  );
}

interface ChoiceProps {
  chosen: TriggerSource;
  choose: (source: TriggerSource) => void;
}

function SourceChoice({ chosen, choose }: ChoiceProps) {
  const name = useId();
  return (
    <fieldset className="methods">
      <legend>Source</legend>
      <div className="method-grid">
        {SOURCES.map((source) => (
          <label key={source}>
            <input
              type="radio"
              name={name}
              checked={chosen === source}
              onChange={() => choose(source)}
            />
            <span>{TEMPLATES[source].label}</span>
          </label>
        ))}
      </div>
    </fieldset>
  );
}

/** Lists the problems of the fields. */
function Refusal({ error }: { error: unknown }) {
  return (
    <>
      <ErrorNote error={error} />
      {error instanceof ProblemError && (
        <ul className="plain">
          {(error.problem.errors ?? []).map(({ pointer, detail }) => (
            <li key={pointer + detail}>
              <span className="mono">{pointer}</span>: {detail}
            </li>
          ))}
        </ul>
      )}
    </>
  );
}

function draftOf(trigger?: Trigger): Draft {
  if (trigger === undefined) return templateDraft("huggingface");
  const { name, source, job, filter, map } = trigger;
  return { ...templateDraft(source), name, job: written(job), filter, map };
}

function templateDraft(source: TriggerSource): Draft {
  const { name, job, filter, map, payload } = TEMPLATES[source];
  return { name, source, job: written(job), filter, map, payload: written(payload) };
}

export function written(value: unknown): string {
  return JSON.stringify(value, null, 2);
}
