import { Link } from "wouter";
import type { Preview } from "../../api/client.ts";
import { fieldProblems, ProblemError } from "../../api/problem.ts";
import { NONE } from "../../format.ts";
import { toText } from "../../spec/draft.ts";
import { ErrorNote, Warning } from "../../ui/notes.tsx";
import { Value } from "../../ui/value.tsx";

interface Props {
  preview: Preview | undefined;
  error: unknown;
  isWaiting: boolean;
  isComplete: boolean;
}

/** Shows whether the job would be accepted, and why not. */
export function PreviewPanel({ preview, error, isWaiting, isComplete }: Props) {
  return (
    <section className="card preview" aria-live="polite" aria-busy={isWaiting}>
      <header>
        <h2>{heading(isComplete, isWaiting, error)}</h2>
      </header>
      {!isComplete && (
        <p>
          Fill in a model, a calibration text and how much is removed; all other fields have
          defaults.
        </p>
      )}
      {isComplete && error != null && <Refusal error={error} />}
      {isComplete && error == null && preview && <Accepted preview={preview} />}
    </section>
  );
}

function heading(isComplete: boolean, isWaiting: boolean, error: unknown): string {
  if (!isComplete) return "Three fields are required";
  if (isWaiting) return "Checking…";
  return error == null ? "Would be accepted" : "Would be refused";
}

/** Lists the problems, including those that no field of the form shows. */
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
            A job with the same fields has succeeded:{" "}
            <Link href={`/jobs/${preview.identical_job_id}`}>use its result</Link> instead.
          </p>
        </Warning>
      )}
      {preview.warnings.map((one) => (
        <Warning key={one}>
          <p>{one}</p>
        </Warning>
      ))}
      <details>
        <summary>All fields, including defaults</summary>
        <dl className="facts">
          {Object.entries(spec).map(([name, value]) => (
            <div key={name}>
              <dt className="mono">{name}</dt>
              <dd>{toText(value) ? <Value name={name} value={value} /> : NONE}</dd>
            </div>
          ))}
        </dl>
      </details>
    </>
  );
}
