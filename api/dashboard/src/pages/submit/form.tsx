import { useQuery } from "@tanstack/react-query";
import { type FormEvent, useMemo } from "react";
import { useSearch } from "wouter";
import type { Submission } from "../../api/actions.ts";
import type { Job, JobRequest } from "../../api/client.ts";
import type { Catalogue } from "../../api/methods.ts";
import { fieldProblems } from "../../api/problem.ts";
import { queues } from "../../api/workers.ts";
import { type Draft, draftOf } from "../../spec/draft.ts";
import { type Field, isAmount, jobFields, jobSchema } from "../../spec/fields.ts";
import { gateToText, hasLimits } from "../../spec/gate.ts";
import { baseOf } from "../../spec/presets.ts";
import { requestFields } from "../../spec/request-fields.ts";
import { shownFields } from "../../spec/shown.ts";
import { CommandTabs } from "../../ui/code.tsx";
import { ErrorNote } from "../../ui/notes.tsx";
import { EstimatePanel } from "./estimate.tsx";
import { Fields } from "./fields.tsx";
import { JsonEditor } from "./json.tsx";
import { PreviewPanel, problemInWords } from "./preview.tsx";
import { SubmitBar } from "./submit-bar.tsx";
import { useDraft } from "./use-draft.ts";
import { usePreview } from "./use-preview.ts";
import { useSubmission } from "./use-submission.ts";
import { Rest, ViewSwitch } from "./view.tsx";

type Values = Record<string, unknown>;

/** What makes a first try take minutes. */
const SHORT = { preset: "fast", samples: "16", seq_len: "512", eval_samples: "32" };

interface Props {
  catalogue: Catalogue;
  /** The job to rerun. */
  parent?: Job;
}

export function JobForm({ catalogue, parent }: Props) {
  const fields = useJobFields(catalogue);
  const schema = jobSchema(catalogue.data);
  const original = useMemo(() => (parent ? valuesOfJob(parent) : undefined), [parent]);
  const recommended = catalogue.presets.find((one) => one.recommended)?.name ?? "";
  const first: Draft = parent ? { name: nameOfRerun(parent) } : { preset: recommended };
  const given = { ...first, ...givenIn(useSearch(), fields) };
  const request = useDraft({ fields, presets: catalogue.presets, original, given });
  const { body, json, rest, setJson } = request;
  const submission = body && submissionOf(body, parent);
  const missing = body === null ? [] : missingIn(body, fields, catalogue, parent);
  const isComplete = body !== null && missing.length === 0;
  const checked = usePreview(isComplete ? submission : null);
  const submitting = useSubmission();
  const problems = fieldProblems(checked.error ?? submitting.error, (one) =>
    problemInWords(one, fields),
  );
  const estimated =
    checked.error || checked.isWaiting || !isComplete
      ? undefined
      : checked.data && { ...checked.data.spec, queue: checked.data.queue };
  const shorten = () => {
    for (const [name, text] of Object.entries(SHORT)) request.change(name, text);
  };
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
            <Fields {...{ catalogue, problems }} {...request} />
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
          fields={fields}
          preview={checked.data}
          error={checked.error}
          isWaiting={checked.isWaiting}
          missing={missing}
          isComplete={isComplete}
        />
        <EstimatePanel spec={estimated} shorten={json === null ? shorten : undefined} />
        {submitting.error !== null && <ErrorNote error={submitting.error} />}
        {body && isComplete && !parent && <CommandTabs body={body} schema={schema} />}
      </aside>
      <SubmitBar
        spec={estimated}
        text={parent ? "Submit rerun" : "Submit job"}
        isReady={isComplete && !submitting.isPending}
      />
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

/** Return what is required and missing: of a method that removes something, also how much. */
function missingIn(body: Values, fields: Field[], { presets }: Catalogue, parent?: Job): string[] {
  const draft = draftOf({ ...baseOf(fields, presets, body), ...body }, fields);
  const amounts = shownFields(fields, draft).filter(isAmount);
  const saysHowMuch = amounts.length === 0 || amounts.some(({ name }) => name in body);
  const isNew = parent === undefined;
  return [
    isNew && !("model" in body) && "a model",
    isNew && !("dataset" in body) && "a calibration text",
    isNew && !saysHowMuch && "how much is removed",
    !hasLimits(gateToText(body.gate)) && "the limit of each bound of the gate",
  ].filter((one) => one !== false);
}
