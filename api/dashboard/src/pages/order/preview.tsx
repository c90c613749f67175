import { Link } from "wouter";
import type { Preview } from "../../api/client.ts";
import { fieldProblems, ProblemError } from "../../api/problem.ts";
import { written } from "../../spec/draft.ts";
import { ErrorNote, Warning } from "../../ui/notes.tsx";

interface Props {
  preview: Preview | undefined;
  error: unknown;
  isWaiting: boolean;
  isComplete: boolean;
}

/** Beside the form: what would be accepted, or what is wrong with it. */
export function PreviewPanel({ preview, error, isWaiting, isComplete }: Props) {
  return (
    <section className="card preview" aria-live="polite" aria-busy={isWaiting}>
      <header>
        <h2>{heading(isComplete, isWaiting, error)}</h2>
      </header>
      {!isComplete && <p>Name a model, a text and a sparsity or pattern; the rest has defaults.</p>}
      {isComplete && error != null && <Refusal error={error} />}
      {isComplete && error == null && preview && <Accepted preview={preview} />}
    </section>
  );
}

function heading(isComplete: boolean, isWaiting: boolean, error: unknown): string {
  if (!isComplete) return "Three fields make a job";
  if (isWaiting) return "Checking…";
  return error == null ? "Would be accepted" : "Would be refused";
}

/** What the form cannot show at a field of its own. */
function Refusal({ error }: { error: unknown }) {
  const atFields = Object.keys(fieldProblems(error)).filter(Boolean);
  if (!(error instanceof ProblemError) || atFields.length === 0) return <ErrorNote error={error} />;
  return (
    <>
      <p>
        {atFields.length === 1 ? "One field needs a change:" : "Some fields need a change:"}{" "}
        <strong>{atFields.join(", ")}</strong>.
      </p>
      <ul className="plain">
        {(error.problem.errors ?? []).map((one) => (
          <li key={one.pointer + one.code}>{one.detail}</li>
        ))}
      </ul>
      {error.problem.hint && <p className="faint">{error.problem.hint}</p>}
    </>
  );
}

function Accepted({ preview }: { preview: Preview }) {
  const spec = preview.spec as unknown as Record<string, unknown>;
  return (
    <>
      {preview.identical_job_id && (
        <Warning>
          <p>
            A job with exactly these fields has succeeded:{" "}
            <Link href={`/jobs/${preview.identical_job_id}`}>take its result</Link> instead.
          </p>
        </Warning>
      )}
      {preview.warnings.map((one) => (
        <Warning key={one}>
          <p>{one}</p>
        </Warning>
      ))}
      <details>
        <summary>All fields, defaults filled in</summary>
        <dl className="facts">
          {Object.entries(spec).map(([name, value]) => (
            <div key={name}>
              <dt className="mono">{name}</dt>
              <dd>{written(value) || "–"}</dd>
            </div>
          ))}
        </dl>
      </details>
    </>
  );
}
