import { useMutation } from "@tanstack/react-query";
import { type FormEvent, useMemo, useState } from "react";
import { useLocation } from "wouter";
import { type Order, submit } from "../../api/actions.ts";
import type { Job, JobRequest, Method } from "../../api/client.ts";
import { fieldProblems } from "../../api/problem.ts";
import {
  changesOf,
  type Draft,
  divided,
  draftOf,
  edited,
  valuesOf,
  written,
} from "../../spec/draft.ts";
import { type Field, jobFields } from "../../spec/fields.ts";
import { CommandTabs } from "../../ui/code.tsx";
import { ErrorNote, Warning } from "../../ui/notes.tsx";
import { EstimatePanel } from "./estimate.tsx";
import { FieldGroup } from "./group.tsx";
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

const OWN = { isRequired: false, choices: [], example: "" };
const NAMING: Field[] = [
  {
    ...OWN,
    name: "name",
    label: "Name",
    kind: "text",
    help: "What to call the job.",
    fallback: null,
  },
  {
    ...OWN,
    name: "labels",
    label: "Labels",
    kind: "labels",
    help: "Your own words, such as team=nlp, run=7.",
    fallback: {},
  },
];

export function OrderForm({ methods, parent }: Props) {
  const fields = useMemo(() => [...jobFields(methods), ...NAMING], [methods]);
  const original = useMemo(() => (parent ? valuesOfJob(parent) : undefined), [parent]);
  const defaults = useMemo(() => original ?? defaultsOf(fields), [original, fields]);
  const [draft, setDraft] = useState<Draft>(() => draftOf(defaults, fields));
  const [json, setJson] = useState<string | null>(null);
  /** What was said as JSON, and no input can say. */
  const [rest, setRest] = useState<Values>({});
  const body = json === null ? { ...rest, ...bodyOf(draft, fields, original) } : parsedObject(json);
  const order = body && orderOf(body, parent);
  const isComplete = body !== null && (parent !== undefined || isMinimal(body));
  const seen = usePreview(isComplete ? order : null);
  const placing = usePlacing();
  const problems = fieldProblems(seen.error ?? placing.error);
  const change = (name: string, text: string) => setDraft((old) => edited(old, name, text));
  const showJson = () => setJson(JSON.stringify(body, null, 2));
  const showForm = () => {
    if (body === null) return;
    const found = divided(body, fields, defaults);
    setDraft(found.draft);
    setRest(found.rest);
    setJson(null);
  };
  const place = (event: FormEvent) => {
    event.preventDefault();
    if (order) placing.place(order);
  };
  return (
    <form className="order" onSubmit={place} noValidate>
      <div className="stack">
        <ViewSwitch
          isJson={json !== null}
          canShowForm={body !== null}
          show={(isJson) => (isJson ? showJson() : showForm())}
        />
        {json === null ? (
          <>
            <Rest names={Object.keys(rest)} leaveOut={() => setRest({})} />
            <Fields {...{ methods, fields, draft, original, problems, change }} />
          </>
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
        {body && isComplete && !parent && <CommandTabs body={body} />}
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
    <FieldGroup
      key={title}
      title={title}
      isOpen={isOpen}
      isFilled={isFilled(some, draft)}
      isWrong={some.some(({ name }) => name in problems)}
    >
      {title === "How" && (
        <MethodPicker
          methods={methods}
          chosen={draft.method ?? ""}
          choose={(name) => change("method", name)}
        />
      )}
      <div className="fields">{some.map(input)}</div>
    </FieldGroup>
  ));
}

interface RestProps {
  names: string[];
  leaveOut: () => void;
}

function Rest({ names, leaveOut }: RestProps) {
  if (names.length === 0) return null;
  return (
    <Warning>
      <p>
        The form has no way to say <strong>{names.join(", ")}</strong>: kept as the JSON has it.
      </p>
      <button type="button" onClick={leaveOut}>
        {names.length === 1 ? "Leave it out" : "Leave them out"}
      </button>
    </Warning>
  );
}

interface SwitchProps {
  isJson: boolean;
  canShowForm: boolean;
  show: (isJson: boolean) => void;
}

function ViewSwitch({ isJson, canShowForm, show }: SwitchProps) {
  return (
    <fieldset className="segmented">
      <legend className="unseen">View</legend>
      <label>
        <input
          type="radio"
          name="view"
          checked={!isJson}
          disabled={!canShowForm}
          onChange={() => show(false)}
        />
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

function valuesOfJob({ spec, name, labels }: Job): Values {
  return { ...(spec as unknown as Values), name, labels };
}

function defaultsOf(fields: Field[]): Values {
  return Object.fromEntries(fields.map(({ name, fallback }) => [name, fallback]));
}

function originalText(original: Values, field: Field): string {
  return written(original[field.name]);
}

function bodyOf(draft: Draft, fields: Field[], original?: Values): Values {
  return original ? changesOf(draft, fields, original) : valuesOf(draft, fields);
}

function orderOf(body: Values, parent?: Job): Order {
  if (parent) return { kind: "rerun", parent: parent.id, changes: body };
  return { kind: "new", body: body as unknown as JobRequest };
}

function isMinimal(body: Values): boolean {
  return "model" in body && "dataset" in body && ("sparsity" in body || "pattern" in body);
}

function isFilled(fields: Field[], draft: Draft): boolean {
  return fields.some(({ name, fallback }) => (draft[name] ?? "") !== written(fallback));
}
