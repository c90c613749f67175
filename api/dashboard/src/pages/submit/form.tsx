import { useQuery } from "@tanstack/react-query";
import { type FormEvent, useMemo } from "react";
import { useSearch } from "wouter";
import type { Submission } from "../../api/actions.ts";
import type { Job, JobRequest } from "../../api/client.ts";
import type { Catalogue } from "../../api/methods.ts";
import { fieldProblems } from "../../api/problem.ts";
import { queues } from "../../api/workers.ts";
import type { Draft } from "../../spec/draft.ts";
import { type Field, jobFields, jobSchema } from "../../spec/fields.ts";
import { requestFields } from "../../spec/request-fields.ts";
import { CommandTabs } from "../../ui/code.tsx";
import { ErrorNote } from "../../ui/notes.tsx";
import { EstimatePanel } from "./estimate.tsx";
import { Fields } from "./fields.tsx";
import { JsonEditor } from "./json.tsx";
import { PreviewPanel } from "./preview.tsx";
import { useDraft } from "./use-draft.ts";
import { usePreview } from "./use-preview.ts";
import { useSubmission } from "./use-submission.ts";
import { Rest, ViewSwitch } from "./view.tsx";

type Values = Record<string, unknown>;

interface Props {
  catalogue: Catalogue;
  /** The job to rerun. */
  parent?: Job;
}

export function JobForm({ catalogue, parent }: Props) {
  const fields = useJobFields(catalogue);
  const schema = jobSchema(catalogue.data);
  const original = useMemo(() => (parent ? valuesOfJob(parent) : undefined), [parent]);
  const given = { name: nameOfRerun(parent), ...givenIn(useSearch(), fields) };
  const request = useDraft({ fields, presets: catalogue.presets, original, given });
  const { body, json, rest, setJson } = request;
  const submission = body && submissionOf(body, parent);
  const isComplete = body !== null && (parent !== undefined || isMinimal(body));
  const checked = usePreview(isComplete ? submission : null);
  const submitting = useSubmission();
  const problems = fieldProblems(checked.error ?? submitting.error);
  const onSubmit = (event: FormEvent) => {
    event.preventDefault();
    if (submission) submitting.submit(submission);
  };
  return (
    <form className="order" onSubmit={onSubmit} noValidate>
      <div className="stack">
        <ViewSwitch isJson={json !== null} canShowForm={body !== null} show={request.show} />
        {json === null ? (
          <>
            <Rest names={Object.keys(rest)} remove={request.removeRest} />
            <Fields {...{ catalogue, fields, problems }} {...request} />
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
        {body && isComplete && !parent && <CommandTabs body={body} schema={schema} />}
      </aside>
    </form>
  );
}

/** Return the fields of a job, with the known queues as choices. */
export function useJobFields(catalogue: Catalogue): Field[] {
  const { data } = useQuery({ ...queues, refetchInterval: false });
  const names = data?.map(({ name }) => name).join();
  return useMemo(
    () => [...jobFields(catalogue.data), ...requestFields(names?.split(",").filter(Boolean) ?? [])],
    [catalogue, names],
  );
}

/** Return the inputs that the address fills in: `?dataset=c4`. */
function givenIn(search: string, fields: Field[]): Draft {
  const known = new Set(fields.map(({ name }) => name));
  return Object.fromEntries([...new URLSearchParams(search)].filter(([name]) => known.has(name)));
}

function valuesOfJob({ spec, name, labels, queue, priority, gate }: Job): Values {
  return { ...(spec as unknown as Values), name, labels, queue, priority, gate };
}

/** A rerun of a job with a name has a name of its own. */
export function nameOfRerun(parent?: Job): string {
  if (!parent?.name) return "";
  const [, first = parent.name, count] = /^(.*), rerun(?: (\d+))?$/.exec(parent.name) ?? [];
  if (first === parent.name) return `${first}, rerun`;
  return `${first}, rerun ${Number(count ?? 1) + 1}`;
}

function submissionOf(body: Values, parent?: Job): Submission {
  if (parent) return { kind: "rerun", parent: parent.id, changes: body };
  return { kind: "new", body: body as unknown as JobRequest };
}

function isMinimal(body: Values): boolean {
  const howMuch = ["sparsity", "pattern", "ratio"].some((name) => name in body);
  return "model" in body && "dataset" in body && (howMuch || body.method === "none");
}
