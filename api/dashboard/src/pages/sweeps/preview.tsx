import type { previewSweep } from "../../api/sweeps.ts";
import { inWords, sentence } from "../../spec/words.ts";
import { ErrorNote, Warning } from "../../ui/notes.tsx";

interface Checked {
  data?: Awaited<ReturnType<typeof previewSweep>>;
  error: Error | null;
  isFetching: boolean;
}

interface Props {
  checked: Checked;
  /** What is required and missing. */
  missing: string[];
}

/** Shows the points of a sweep that would be submitted, or why it would be refused. */
export function SweepPreview({ checked, missing }: Props) {
  const { data, error, isFetching } = checked;
  const isComplete = missing.length === 0;
  return (
    <section className="card preview" aria-live="polite" aria-busy={isFetching}>
      <header>
        <h2>{isComplete ? heading(checked) : "Still to fill in"}</h2>
      </header>
      {!isComplete && <p>{sentence(missing)} All other fields have defaults.</p>}
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
              <li key={JSON.stringify(varied)}>
                {Object.entries(varied)
                  .map(([name, value]) => `${name} ${inWords(name, value) || "none"}`)
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
