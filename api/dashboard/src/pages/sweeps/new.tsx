import { keepPreviousData, useMutation, useQuery } from "@tanstack/react-query";
import { type FormEvent, useMemo, useState } from "react";
import { useLocation } from "wouter";
import { type Catalogue, catalogue } from "../../api/methods.ts";
import { fieldProblems } from "../../api/problem.ts";
import { previewSweep, submitSweep } from "../../api/sweeps.ts";
import { type Draft, draftOf, valuesOf } from "../../spec/draft.ts";
import type { Field } from "../../spec/fields.ts";
import { hasLimits } from "../../spec/gate.ts";
import { defaultsOf } from "../../spec/presets.ts";
import { shownFields } from "../../spec/shown.ts";
import { ErrorNote, Loading } from "../../ui/notes.tsx";
import { Scoped } from "../../ui/scoped.tsx";
import { Section } from "../../ui/section.tsx";
import { Title } from "../../ui/title.tsx";
import { Fields } from "../submit/fields.tsx";
import { useJobFields } from "../submit/form.tsx";
import { useIdempotencyKey } from "../submit/idempotency-key.ts";
import { FieldInput } from "../submit/input.tsx";
import { useDebounced } from "../submit/use-debounced.ts";
import { sweepOf, VARIED, valuesIn } from "./grid.ts";
import { SweepPreview } from "./preview.tsx";

const HINTS: Record<string, string> = {
  sparsity: "40, 50, 60 %",
  ratio: "10, 20 %",
  steps: "1, 10",
  method: "zpruner, wanda",
  pattern: "none, 2:4",
  solver: "none, sparsegpt",
  allocation: "uniform, owl:0.15, matrix",
  preset: "fast, balanced, best",
};

export function NewSweepPage() {
  const offered = useQuery(catalogue);
  return (
    <>
      <Title text="New sweep" />
      {offered.isPending && <Loading what="the form" />}
      {offered.isError && <ErrorNote error={offered.error} retry={() => offered.refetch()} />}
      <Scoped scope="jobs:write" to="submit sweeps">
        {offered.data && <SweepForm catalogue={offered.data} />}
      </Scoped>
    </>
  );
}

function SweepForm({ catalogue }: { catalogue: Catalogue }) {
  const jobFields = useJobFields(catalogue);
  const shared = useMemo(
    () => [...jobFields.filter(({ name }) => !VARIED.includes(name)), PARALLEL],
    [jobFields],
  );
  const unchanged = useMemo(() => draftOf(defaultsOf(shared), shared), [shared]);
  const [draft, setDraft] = useState<Draft>(unchanged);
  const shown = shownFields(shared, draft);
  const body = bodyOf(draft, jobFields, shown);
  const missing = missingIn(draft, body);
  const isComplete = missing.length === 0;
  const checked = useSweepPreview(isComplete ? body : null);
  const submitting = useSubmission();
  const problems = fieldProblems(checked.error ?? submitting.error);
  const change = (name: string, text: string) => setDraft((old) => ({ ...old, [name]: text }));
  const onSubmit = (event: FormEvent) => {
    event.preventDefault();
    if (isComplete) submitting.submit(body);
  };
  return (
    <form className="order" onSubmit={onSubmit} noValidate>
      <div className="stack">
        <Section title="Varied fields">
          <p className="faint">
            Separate several values by commas: every combination becomes a job.
          </p>
          <div className="fields">
            {named(jobFields, VARIED).map((field) => (
              <FieldInput
                key={field.name}
                field={asList(field)}
                text={draft[field.name] ?? ""}
                problem={problems[field.name]}
                change={(text) => change(field.name, text)}
              />
            ))}
          </div>
          {problems.grid && <p className="problem-word">{problems.grid}</p>}
        </Section>
        <h2>Shared by all jobs</h2>
        <Fields fields={shown} {...{ catalogue, draft, unchanged, problems, change }} />
      </div>
      <aside className="stack">
        <SweepPreview checked={checked} missing={missing} />
        {submitting.error !== null && <ErrorNote error={submitting.error} />}
        <button
          type="submit"
          className="primary large"
          disabled={!isComplete || submitting.isPending}
        >
          Submit sweep
        </button>
      </aside>
    </form>
  );
}

const PARALLEL: Field = {
  name: "max_parallel",
  label: "Parallel jobs",
  kind: "integer",
  isRequired: false,
  help: "The most points that run at once; by default, as many as there are workers.",
  choices: [],
  fallback: null,
  example: "2",
};

function named(fields: Field[], names: string[]): Field[] {
  return names.flatMap((name) => fields.filter((field) => field.name === name));
}

/** Turn a field into a text input for several values, with its choices in the help. */
function asList(field: Field): Field {
  const choices = field.choices.length > 0 ? ` One or more of ${field.choices.join(", ")}.` : "";
  const example = HINTS[field.name] ?? "";
  return { ...field, kind: "text", isRequired: false, example, help: field.help + choices };
}

function bodyOf(draft: Draft, fields: Field[], shared: Field[]): Record<string, unknown> {
  const varied = Object.fromEntries(
    named(fields, VARIED).map((field) => [field.name, valuesIn(field, draft[field.name] ?? "")]),
  );
  return sweepOf(valuesOf(draft, shared), varied);
}

/** Return what is required and missing. */
function missingIn(draft: Draft, body: Record<string, unknown>): string[] {
  return [
    !("model" in body) && "a model",
    !("dataset" in body) && "a calibration text",
    !(draft.sparsity || draft.ratio || draft.pattern) && "some sparsities, ratios or patterns",
    !hasLimits(draft.gate ?? "") && "the limit of each bound of the gate",
  ].filter((one) => one !== false);
}

/** Check a sweep with a dry run, after a pause in typing. */
function useSweepPreview(body: Record<string, unknown> | null) {
  const debounced = useDebounced(JSON.stringify(body));
  return useQuery({
    queryKey: ["sweep preview", debounced],
    queryFn: ({ signal }) => previewSweep(JSON.parse(debounced), signal),
    enabled: debounced !== "null",
    retry: false,
    staleTime: 30_000,
    placeholderData: keepPreviousData,
  });
}

function useSubmission() {
  const [, go] = useLocation();
  const keyOf = useIdempotencyKey();
  const { mutate, error, isPending } = useMutation({
    mutationFn: (body: Record<string, unknown>) => submitSweep(body, keyOf(body)),
  });
  const submit = (body: Record<string, unknown>) =>
    mutate(body, { onSuccess: (sweep) => go(`/sweeps/${sweep.id}`) });
  return { submit, error, isPending };
}
