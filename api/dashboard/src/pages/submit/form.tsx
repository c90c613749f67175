import { useMutation } from "@tanstack/react-query";
import { type FormEvent, useMemo, useState } from "react";
import { useLocation } from "wouter";
import { type Submission, submit } from "../../api/actions.ts";
import type { Job, JobRequest, Method } from "../../api/client.ts";
import { fieldProblems } from "../../api/problem.ts";
import {
  changesOf,
  type Draft,
  draftOf,
  edited,
  splitBody,
  toText,
  valuesOf,
} from "../../spec/draft.ts";
import { type Field, jobFields } from "../../spec/fields.ts";
import { CommandTabs } from "../../ui/code.tsx";
import { ErrorNote, Warning } from "../../ui/notes.tsx";
import { EstimatePanel } from "./estimate.tsx";
import { FieldGroup } from "./group.tsx";
import { grouped } from "./groups.ts";
import { useIdempotencyKey } from "./idempotency-key.ts";
import { FieldInput } from "./input.tsx";
import { JsonEditor, parsedObject } from "./json.tsx";
import { MethodPicker } from "./methods.tsx";
import { PreviewPanel } from "./preview.tsx";
import { usePreview } from "./use-preview.ts";

type Values = Record<string, unknown>;

interface Props {
  methods: Method[];
  /** The job to rerun. */
  parent?: Job;
}

const OWN = { isRequired: false, choices: [], example: "" };
const NAMING: Field[] = [
  {
    ...OWN,
    name: "name",
    label: "Name",
    kind: "text",
    help: "A name for the job.",
    fallback: null,
  },
  {
    ...OWN,
    name: "labels",
    label: "Labels",
    kind: "labels",
    help: "Labels of your choice, such as team=nlp, run=7.",
    fallback: {},
  },
];

export function JobForm({ methods, parent }: Props) {
  const fields = useMemo(() => [...jobFields(methods), ...NAMING], [methods]);
  const original = useMemo(() => (parent ? valuesOfJob(parent) : undefined), [parent]);
  const defaults = useMemo(() => original ?? defaultsOf(fields), [original, fields]);
  const [draft, setDraft] = useState<Draft>(() => draftOf(defaults, fields));
  const [json, setJson] = useState<string | null>(null);
  /** Fields from the JSON view that have no input. */
  const [rest, setRest] = useState<Values>({});
  const body = json === null ? { ...rest, ...bodyOf(draft, fields, original) } : parsedObject(json);
  const submission = body && submissionOf(body, parent);
  const isComplete = body !== null && (parent !== undefined || isMinimal(body));
  const checked = usePreview(isComplete ? submission : null);
  const submitting = useSubmission();
  const problems = fieldProblems(checked.error ?? submitting.error);
  const change = (name: string, text: string) => setDraft((old) => edited(old, name, text));
  const showJson = () => setJson(JSON.stringify(body, null, 2));
  const showForm = () => {
    if (body === null) return;
    const split = splitBody(body, fields, defaults);
    setDraft(split.draft);
    setRest(split.rest);
    setJson(null);
  };
  const onSubmit = (event: FormEvent) => {
    event.preventDefault();
    if (submission) submitting.submit(submission);
  };
  return (
    <form className="order" onSubmit={onSubmit} noValidate>
      <div className="stack">
        <ViewSwitch
          isJson={json !== null}
          canShowForm={body !== null}
          show={(isJson) => (isJson ? showJson() : showForm())}
        />
        {json === null ? (
          <>
            <Rest names={Object.keys(rest)} remove={() => setRest({})} />
            <Fields {...{ methods, fields, draft, original, problems, change }} />
          </>
        ) : (
          <JsonEditor
            text={json}
            problem={body === null ? "This is not a JSON object. Check commas and quotes." : null}
            change={setJson}
          />
        )}
      </div>
      <aside className="stack">
        <PreviewPanel
          preview={checked.data}
          error={checked.error}
          isWaiting={checked.isWaiting}
          isComplete={isComplete}
        />
        <EstimatePanel
          spec={checked.error || checked.isWaiting || !isComplete ? undefined : checked.data?.spec}
        />
        {submitting.error !== null && <ErrorNote error={submitting.error} />}
        <button
          type="submit"
          className="primary large"
          disabled={!isComplete || submitting.isPending}
        >
          {parent ? "Submit rerun" : "Submit job"}
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
  const before = original && draftOf(original, fields);
  const input = (field: Field) => (
    <FieldInput
      key={field.name}
      field={field}
      text={draft[field.name] ?? ""}
      original={before?.[field.name]}
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
      {title === "How to prune" && (
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
  remove: () => void;
}

function Rest({ names, remove }: RestProps) {
  if (names.length === 0) return null;
  return (
    <Warning>
      <p>
        The form has no input for <strong>{names.join(", ")}</strong>: kept as in the JSON.
      </p>
      <button type="button" onClick={remove}>
        {names.length === 1 ? "Remove it" : "Remove them"}
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

/** Submit, then show the new job. */
function useSubmission() {
  const [, go] = useLocation();
  const keyOf = useIdempotencyKey();
  const { mutate, error, isPending } = useMutation({
    mutationFn: (submission: Submission) => submit(submission, keyOf(submission)),
    onSuccess: (job) => go(`/jobs/${job.id}`),
  });
  return { submit: mutate, error, isPending };
}

function valuesOfJob({ spec, name, labels }: Job): Values {
  return { ...(spec as unknown as Values), name, labels };
}

function defaultsOf(fields: Field[]): Values {
  return Object.fromEntries(fields.map(({ name, fallback }) => [name, fallback]));
}

function bodyOf(draft: Draft, fields: Field[], original?: Values): Values {
  return original ? changesOf(draft, fields, original) : valuesOf(draft, fields);
}

function submissionOf(body: Values, parent?: Job): Submission {
  if (parent) return { kind: "rerun", parent: parent.id, changes: body };
  return { kind: "new", body: body as unknown as JobRequest };
}

function isMinimal(body: Values): boolean {
  const isSparse = "sparsity" in body || "pattern" in body || body.method === "none";
  return "model" in body && "dataset" in body && isSparse;
}

function isFilled(fields: Field[], draft: Draft): boolean {
  return fields.some(({ name, fallback }) => {
    const text = draft[name] ?? "";
    return text !== "" && text !== toText(fallback);
  });
}
