import { keepPreviousData, useMutation, useQuery } from "@tanstack/react-query";
import { type FormEvent, useMemo, useState } from "react";
import { useLocation } from "wouter";
import type { Method } from "../../api/client.ts";
import { methods } from "../../api/methods.ts";
import { fieldProblems } from "../../api/problem.ts";
import { previewSweep, submitSweep } from "../../api/sweeps.ts";
import { type Draft, toText, valuesOf } from "../../spec/draft.ts";
import { type Field, jobFields } from "../../spec/fields.ts";
import { ErrorNote, Loading, Warning } from "../../ui/notes.tsx";
import { Section } from "../../ui/section.tsx";
import { Title } from "../../ui/title.tsx";
import { useIdempotencyKey } from "../submit/idempotency-key.ts";
import { FieldInput } from "../submit/input.tsx";
import { useDebounced } from "../submit/use-debounced.ts";
import { sweepOf, VARIED, valuesIn } from "./grid.ts";

const SHARED = [
  ...["model", "dataset", "text_field", "samples", "seq_len", "seed"],
  ...["eval_dataset", "eval_text_field", "eval_samples"],
];
const HINTS: Record<string, string> = {
  sparsity: "0.4, 0.5, 0.6",
  method: "zpruner, wanda",
  pattern: "none, 2:4",
  solver: "none, sparsegpt",
  allocation: "uniform, owl:0.15, matrix",
};

export function NewSweepPage() {
  const offered = useQuery(methods);
  return (
    <>
      <Title text="New sweep" />
      {offered.isPending && <Loading what="the form" />}
      {offered.isError && <ErrorNote error={offered.error} retry={() => offered.refetch()} />}
      {offered.data && <SweepForm methods={offered.data} />}
    </>
  );
}

function SweepForm({ methods: offered }: { methods: Method[] }) {
  const fields = useMemo(() => jobFields(offered), [offered]);
  const [draft, setDraft] = useState<Draft>({});
  const body = bodyOf(draft, fields);
  const isComplete =
    ["model", "dataset"].every((name) => name in body) && Boolean(draft.sparsity || draft.pattern);
  const debounced = useDebounced(JSON.stringify(isComplete ? body : null));
  const checked = useQuery({
    queryKey: ["sweep preview", debounced],
    queryFn: ({ signal }) => previewSweep(JSON.parse(debounced), signal),
    enabled: debounced !== "null",
    retry: false,
    staleTime: 30_000,
    placeholderData: keepPreviousData,
  });
  const submitting = useSubmission();
  const problems = fieldProblems(checked.error ?? submitting.error);
  const onSubmit = (event: FormEvent) => {
    event.preventDefault();
    if (isComplete) submitting.mutate(body);
  };
  const input = (field: Field) => (
    <FieldInput
      key={field.name}
      field={field}
      text={draft[field.name] ?? ""}
      problem={problems[field.name]}
      change={(text) => setDraft((old) => ({ ...old, [field.name]: text }))}
    />
  );
  const named = (names: string[]) =>
    names.flatMap((name) => fields.filter((field) => field.name === name));
  return (
    <form className="order" onSubmit={onSubmit} noValidate>
      <div className="stack">
        <Section title="Varied fields">
          <p className="faint">
            Separate several values by commas: every combination becomes a job.
          </p>
          <div className="fields">{named(VARIED).map(asList).map(input)}</div>
          {problems.grid && <p className="problem-word">{problems.grid}</p>}
        </Section>
        <Section title="Shared fields">
          <div className="fields">{[...named(SHARED), ...SWEEP_FIELDS].map(input)}</div>
        </Section>
      </div>
      <aside className="stack">
        <SweepPreview checked={checked} isComplete={isComplete} />
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

/** Fields of the sweep itself. */
const SWEEP_FIELDS: Field[] = [
  {
    name: "max_parallel",
    label: "Parallel jobs",
    kind: "integer",
    isRequired: false,
    help: "The most points that run at once; by default, as many as there are workers.",
    choices: [],
    fallback: null,
    example: "2",
  },
  {
    name: "name",
    label: "Name",
    kind: "text",
    isRequired: false,
    help: "A name for the sweep.",
    choices: [],
    fallback: null,
    example: "",
  },
];

/** Turn a field into a text input for several values, with its choices in the help. */
function asList(field: Field): Field {
  const choices = field.choices.length > 0 ? ` One or more of ${field.choices.join(", ")}.` : "";
  const example = HINTS[field.name] ?? "";
  return { ...field, kind: "text", isRequired: false, example, help: field.help + choices };
}

function bodyOf(draft: Draft, fields: Field[]): Record<string, unknown> {
  const shared = [...fields.filter(({ name }) => SHARED.includes(name)), ...SWEEP_FIELDS];
  const varied = Object.fromEntries(
    fields
      .filter(({ name }) => VARIED.includes(name))
      .map((field) => [field.name, valuesIn(field, draft[field.name] ?? "")]),
  );
  return sweepOf(valuesOf(draft, shared), varied);
}

function useSubmission() {
  const [, go] = useLocation();
  const keyOf = useIdempotencyKey();
  return useMutation({
    mutationFn: (body: Record<string, unknown>) => submitSweep(body, keyOf(body)),
    onSuccess: (sweep) => go(`/sweeps/${sweep.id}`),
  });
}

type Checked = {
  data?: Awaited<ReturnType<typeof previewSweep>>;
  error: Error | null;
  isFetching: boolean;
};

function SweepPreview({ checked, isComplete }: { checked: Checked; isComplete: boolean }) {
  const { data, error, isFetching } = checked;
  return (
    <section className="card preview" aria-live="polite" aria-busy={isFetching}>
      <header>
        <h2>{isComplete ? heading(checked) : "A grid of jobs"}</h2>
      </header>
      {!isComplete && <p>Fill in a model, a dataset and some sparsities or patterns.</p>}
      {isComplete && error !== null && <ErrorNote error={error} />}
      {isComplete && error === null && data && (
        <>
          {data.warnings.map((one) => (
            <Warning key={one}>
              <p>{one}</p>
            </Warning>
          ))}
          <ol className="points">
            {data.points.map(({ varied }) => (
              <li key={JSON.stringify(varied)} className="mono">
                {Object.entries(varied)
                  .map(([name, value]) => `${name} ${toText(value) || "none"}`)
                  .join(", ")}
              </li>
            ))}
          </ol>
        </>
      )}
    </section>
  );
}

function heading({ data, error, isFetching }: Checked): string {
  if (isFetching) return "Checking…";
  if (error !== null) return "Would be refused";
  return data ? `${data.total} jobs would be accepted` : "Checking…";
}
