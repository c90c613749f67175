import { Link } from "wouter";
import type { Preview } from "../../api/client.ts";
import { type FieldProblem, fieldProblems, ProblemError } from "../../api/problem.ts";
import { expanded } from "../../spec/draft.ts";
import type { Field } from "../../spec/fields.ts";
import { metricInWords } from "../../spec/gate.ts";
import { sentence } from "../../spec/words.ts";
import { ErrorNote, Warning } from "../../ui/notes.tsx";
import { Value } from "../../ui/value.tsx";

interface Props {
  fields: Field[];
  preview: Preview | undefined;
  error: unknown;
  isWaiting: boolean;
  /** What is required and missing. */
  missing: string[];
  isComplete: boolean;
}

/** Shows whether the job would be accepted, and why not. */
export function PreviewPanel(props: Props) {
  const { fields, preview, error, isWaiting, missing, isComplete } = props;
  return (
    <section className="card preview" aria-live="polite" aria-busy={isWaiting}>
      <header>
        <h2>{heading(isComplete, isWaiting, error)}</h2>
      </header>
      {missing.length > 0 && <p>{sentence(missing)} All other fields have defaults.</p>}
      {isComplete && error != null && <Refusal {...{ error, fields }} />}
      {isComplete && error == null && preview && <Accepted {...{ preview, fields }} />}
    </section>
  );
}

function heading(isComplete: boolean, isWaiting: boolean, error: unknown): string {
  if (!isComplete) return "Still to fill in";
  if (isWaiting) return "Checking…";
  return error == null ? "Would be accepted" : "Would be refused";
}

/** Lists the problems, including those that no field of the form shows. */
function Refusal({ error, fields }: { error: unknown; fields: Field[] }) {
  const atFields = Object.keys(fieldProblems(error)).filter(Boolean);
  if (!(error instanceof ProblemError) || atFields.length === 0) return <ErrorNote error={error} />;
  return (
    <>
      <p>
        {atFields.length === 1 ? "One field needs a change:" : "Some fields need a change:"}{" "}
        <strong>{atFields.map((name) => labelOf(name, fields)).join(", ")}</strong>.
      </p>
      <ul className="plain">
        {(error.problem.errors ?? []).map((one) => (
          <li key={one.pointer + one.code}>{problemInWords(one, fields)}</li>
        ))}
      </ul>
    </>
  );
}

/** Write what is wrong with a field, which begins with the names of the API: "sparsity 150: …". */
export function problemInWords({ pointer, detail }: FieldProblem, fields: Field[]): string {
  const path = pointer.split("/").slice(1);
  const [name = "", , ...metric] = path;
  const start = `${path.join(".")} `;
  if (!detail.startsWith(start)) return detail;
  const label = name === "gate" ? metricInWords(metric.join(".")) : labelOf(name, fields);
  return `${label} ${detail.slice(start.length)}`;
}

function labelOf(name: string, fields: Field[]): string {
  return fields.find((field) => field.name === name)?.label ?? name;
}

function Accepted({ preview, fields }: { preview: Preview; fields: Field[] }) {
  const given = expanded(preview.spec as unknown as Record<string, unknown>, fields);
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
      {preview.advice.map((one) => (
        <p key={one}>{one}</p>
      ))}
      <details>
        <summary>All fields, including defaults</summary>
        <dl className="facts">
          {fields
            .filter(({ name }) => name in given)
            .map(({ name, label }) => (
              <div key={name}>
                <dt>{label}</dt>
                <dd>
                  <Value name={name} value={given[name]} />
                </dd>
              </div>
            ))}
        </dl>
      </details>
    </>
  );
}
