import { useMutation } from "@tanstack/react-query";
import { type FormEvent, useMemo, useState } from "react";
import { useLocation } from "wouter";
import { type Order, submit } from "../../api/actions.ts";
import type { Job, JobRequest, Method } from "../../api/client.ts";
import { fieldProblems } from "../../api/problem.ts";
import { commandsOf } from "../../spec/commands.ts";
import {
  changesOf,
  type Draft,
  draftOf,
  edited,
  labelsOf,
  valuesOf,
  written,
} from "../../spec/draft.ts";
import { type Field, jobFields } from "../../spec/fields.ts";
import { CommandTabs } from "../../ui/code.tsx";
import { ErrorNote } from "../../ui/notes.tsx";
import { EstimatePanel } from "./estimate.tsx";
import { grouped } from "./groups.ts";
import { FieldInput } from "./input.tsx";
import { JsonEditor, parsedObject } from "./json.tsx";
import { MethodPicker } from "./methods.tsx";
import { PreviewPanel } from "./preview.tsx";
import { useOrderKey } from "./unique-key.ts";
import { usePreview } from "./use-preview.ts";

type Values = Record<string, unknown>;

interface Props {
  methods: Method[];
  /** The job to do once more. */
  parent?: Job;
}

const NAMING: Field[] = ["name", "labels"].map((name) => ({
  name,
  label: name === "name" ? "Name" : "Labels",
  kind: "text",
  isRequired: false,
  help: name === "name" ? "What to call the job." : "Your own words, such as team=nlp, run=7.",
  choices: [],
  fallback: name === "name" ? null : {},
  example: "",
}));

export function OrderForm({ methods, parent }: Props) {
  const fields = useMemo(() => [...jobFields(methods), ...NAMING], [methods]);
  const original = useMemo(() => (parent ? valuesOfJob(parent) : undefined), [parent]);
  const [draft, setDraft] = useState<Draft>(() => firstDraft(fields, original));
  const [json, setJson] = useState<string | null>(null);
  const body = json === null ? bodyOf(draft, fields, original) : parsedObject(json);
  const order = body && orderOf(body, parent);
  const isComplete = body !== null && (parent !== undefined || isMinimal(body));
  const seen = usePreview(isComplete ? order : null);
  const placing = usePlacing();
  const problems = fieldProblems(seen.error ?? placing.error);
  const change = (name: string, text: string) => setDraft((old) => edited(old, name, text));
  const place = (event: FormEvent) => {
    event.preventDefault();
    if (order) placing.place(order);
  };
  return (
    <form className="order" onSubmit={place} noValidate>
      <div className="stack">
        <ViewSwitch
          isJson={json !== null}
          show={(isJson) => setJson(isJson ? JSON.stringify(body, null, 2) : null)}
        />
        {json === null ? (
          <Fields {...{ methods, fields, draft, original, problems, change }} />
        ) : (
          <JsonEditor
            text={json}
            problem={body === null ? "This is no JSON object: mind commas and quotes." : null}
            change={setJson}
          />
        )}
      </div>
      <aside className="stack">
        <PreviewPanel
          preview={seen.data}
          error={seen.error}
          isWaiting={seen.isWaiting}
          isComplete={isComplete}
        />
        <EstimatePanel
          spec={seen.error || seen.isWaiting || !isComplete ? undefined : seen.data?.spec}
        />
        {placing.error !== null && <ErrorNote error={placing.error} />}
        <button type="submit" className="primary large" disabled={!isComplete || placing.isPending}>
          {parent ? "Run again" : "Submit job"}
        </button>
        {body && isComplete && !parent && (
          <CommandTabs commands={commandsOf(body, location.origin)} />
        )}
      </aside>
    </form>
  );
}

interface FieldsProps {
  methods: Method[];
  fields: Field[];
  draft: Draft;
  original?: Values;
  problems: Record<string, string>;
  change: (name: string, text: string) => void;
}

function Fields({ methods, fields, draft, original, problems, change }: FieldsProps) {
  const groups = grouped(fields.filter(({ name }) => name !== "method"));
  const input = (field: Field) => (
    <FieldInput
      key={field.name}
      field={field}
      text={draft[field.name] ?? ""}
      original={original && originalText(original, field)}
      problem={problems[field.name]}
      change={(text) => change(field.name, text)}
    />
  );
  return groups.map(({ title, isOpen, fields: some }) => (
    <details key={title} className="card group" open={isOpen || hasNews(some, draft, problems)}>
      <summary>
        <h2>{title}</h2>
      </summary>
      {title === "How" && (
        <MethodPicker
          methods={methods}
          chosen={draft.method ?? ""}
          choose={(name) => change("method", name)}
        />
      )}
      <div className="fields">{some.map(input)}</div>
    </details>
  ));
}

function ViewSwitch({ isJson, show }: { isJson: boolean; show: (isJson: boolean) => void }) {
  return (
    <fieldset className="segmented">
      <legend className="unseen">View</legend>
      <label>
        <input type="radio" name="view" checked={!isJson} onChange={() => show(false)} />
        <span>Form</span>
      </label>
      <label>
        <input type="radio" name="view" checked={isJson} onChange={() => show(true)} />
        <span>JSON</span>
      </label>
    </fieldset>
  );
}

/** Submit, and go to the job that was made. */
function usePlacing() {
  const [, go] = useLocation();
  const keyOf = useOrderKey();
  const { mutate, error, isPending } = useMutation({
    mutationFn: (order: Order) => submit(order, keyOf(order)),
    onSuccess: (job) => go(`/jobs/${job.id}`),
  });
  return { place: mutate, error, isPending };
}

function valuesOfJob(job: Job): Values {
  const labels = Object.entries(job.labels).map(([name, value]) => `${name}=${value}`);
  return { ...(job.spec as unknown as Values), name: job.name, labels };
}

function firstDraft(fields: Field[], original?: Values): Draft {
  const defaults = Object.fromEntries(fields.map(({ name, fallback }) => [name, fallback]));
  return draftOf(original ?? { ...defaults, labels: [] }, fields);
}

function originalText(original: Values, field: Field): string {
  return written(original[field.name]);
}

function bodyOf(draft: Draft, fields: Field[], original?: Values): Values {
  const values = original ? changesOf(draft, fields, original) : valuesOf(draft, fields);
  if (typeof values.labels === "string") values.labels = labelsOf(values.labels);
  return values;
}

function orderOf(body: Values, parent?: Job): Order {
  if (parent) return { kind: "rerun", parent: parent.id, changes: body };
  return { kind: "new", body: body as unknown as JobRequest };
}

function isMinimal(body: Values): boolean {
  return ["model", "dataset", "sparsity"].every((name) => name in body);
}

/** Whether a closed group would hide what was filled in, or what is wrong. */
function hasNews(fields: Field[], draft: Draft, problems: Record<string, string>): boolean {
  return fields.some(
    ({ name, fallback }) =>
      name in problems || (draft[name] ?? "") !== (name === "labels" ? "" : written(fallback)),
  );
}
