import { keepPreviousData, useMutation, useQuery } from "@tanstack/react-query";
import { type FormEvent, useMemo, useState } from "react";
import { useLocation } from "wouter";
import type { Method } from "../../api/client.ts";
import { methods } from "../../api/methods.ts";
import { fieldProblems } from "../../api/problem.ts";
import { previewSweep, submitSweep } from "../../api/sweeps.ts";
import { type Draft, valuesOf, written } from "../../spec/draft.ts";
import { type Field, jobFields } from "../../spec/fields.ts";
import { ErrorNote, Loading, Warning } from "../../ui/notes.tsx";
import { Section } from "../../ui/section.tsx";
import { Title } from "../../ui/title.tsx";
import { FieldInput } from "../order/input.tsx";
import { useOrderKey } from "../order/unique-key.ts";
import { useRested } from "../order/use-rested.ts";
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
  allocation: "uniform, owl",
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
  const rested = useRested(JSON.stringify(isComplete ? body : null));
  const seen = useQuery({
    queryKey: ["sweep preview", rested],
    queryFn: ({ signal }) => previewSweep(JSON.parse(rested), signal),
    enabled: rested !== "null",
    retry: false,
    staleTime: 30_000,
    placeholderData: keepPreviousData,
  });
  const placing = usePlacing();
  const problems = fieldProblems(seen.error ?? placing.error);
  const place = (event: FormEvent) => {
    event.preventDefault();
    if (isComplete) placing.mutate(body);
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
    <form className="order" onSubmit={place} noValidate>
      <div className="stack">
        <Section title="What varies">
          <p className="faint">
            One value or several, with commas between them: every mix becomes a job.
          </p>
          <div className="fields">{named(VARIED).map(asList).map(input)}</div>
          {problems.grid && <p className="problem-word">{problems.grid}</p>}
        </Section>
        <Section title="What all share">
          <div className="fields">{[...named(SHARED), ...OWN].map(input)}</div>
        </Section>
      </div>
      <aside className="stack">
        <SweepPreview seen={seen} isComplete={isComplete} />
        {placing.error !== null && <ErrorNote error={placing.error} />}
        <button type="submit" className="primary large" disabled={!isComplete || placing.isPending}>
          Submit sweep
        </button>
      </aside>
    </form>
  );
}

/** Fields of the sweep itself. */
const OWN: Field[] = [
  {
    name: "max_parallel",
    label: "At a time",
    kind: "integer",
    isRequired: false,
    help: "How many points may run at once; as many as there are workers by default.",
    choices: [],
    fallback: null,
    example: "2",
  },
  {
    name: "name",
    label: "Name",
    kind: "text",
    isRequired: false,
    help: "What to call the sweep.",
    choices: [],
    fallback: null,
    example: "",
  },
];

/** A field of which several values are typed, with those that there are to choose from. */
function asList(field: Field): Field {
  const choices = field.choices.length > 0 ? ` Any of ${field.choices.join(", ")}.` : "";
  const example = HINTS[field.name] ?? "";
  return { ...field, kind: "text", isRequired: false, example, help: field.help + choices };
}

function bodyOf(draft: Draft, fields: Field[]): Record<string, unknown> {
  const shared = [...fields.filter(({ name }) => SHARED.includes(name)), ...OWN];
  const varied = Object.fromEntries(
    fields
      .filter(({ name }) => VARIED.includes(name))
      .map((field) => [field.name, valuesIn(field, draft[field.name] ?? "")]),
  );
  return sweepOf(valuesOf(draft, shared), varied);
}

function usePlacing() {
  const [, go] = useLocation();
  const keyOf = useOrderKey();
  return useMutation({
    mutationFn: (body: Record<string, unknown>) => submitSweep(body, keyOf(body)),
    onSuccess: (sweep) => go(`/sweeps/${sweep.id}`),
  });
}

type Seen = {
  data?: Awaited<ReturnType<typeof previewSweep>>;
  error: Error | null;
  isFetching: boolean;
};

function SweepPreview({ seen, isComplete }: { seen: Seen; isComplete: boolean }) {
  const { data, error, isFetching } = seen;
  return (
    <section className="card preview" aria-live="polite" aria-busy={isFetching}>
      <header>
        <h2>{isComplete ? heading(seen) : "A grid of jobs"}</h2>
      </header>
      {!isComplete && <p>Name a model, a text and some sparsities or patterns.</p>}
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
                  .map(([name, value]) => `${name} ${written(value) || "none"}`)
                  .join(", ")}
              </li>
            ))}
          </ol>
        </>
      )}
    </section>
  );
}

function heading({ data, error, isFetching }: Seen): string {
  if (isFetching) return "Checking…";
  if (error !== null) return "Would be refused";
  return data ? `${data.total} jobs would be accepted` : "Checking…";
}
