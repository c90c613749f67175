import { useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import type { Job } from "../../api/client.ts";
import { methods } from "../../api/methods.ts";
import { percent } from "../../format.ts";
import { type Body, withoutDefaults } from "../../spec/commands.ts";
import { jobFields, jobSchema } from "../../spec/fields.ts";
import { confidenceInWords, withoutNulls } from "../../spec/gate.ts";
import { targetToText } from "../../spec/targets.ts";
import { CommandTabs } from "../../ui/code.tsx";
import { Loading } from "../../ui/notes.tsx";
import { Fact, Facts, Section } from "../../ui/section.tsx";
import { Value } from "../../ui/value.tsx";

type Gate = NonNullable<Job["gate"]>;

/** Defaults of the fields outside the specification. */
const DEFAULTS = { queue: "gpu", labels: {}, priority: 0 };

/** The fields of a job's request, and commands that repeat it. */
export function Configuration({ job }: { job: Job }) {
  const { data, isPending } = useQuery(methods);
  if (isPending) {
    // What was chosen is known only with the defaults.
    return (
      <Section title="Configuration">
        <Loading what="the configuration" />
      </Section>
    );
  }
  const spec = job.spec as unknown as Record<string, unknown>;
  const defaults = Object.fromEntries(
    jobFields(data ?? []).map(({ name, fallback }) => [name, fallback]),
  );
  const { queue, deadline, name, labels, priority } = job;
  const gate = job.gate && withoutNulls(job.gate);
  const handling = withoutDefaults({ queue, gate, deadline }, DEFAULTS);
  const kept: Body = { ...withoutDefaults(spec, defaults), ...handling };
  const body: Body = { ...kept, ...withoutDefaults({ name, labels, priority }, DEFAULTS) };
  const shown = { ...kept };
  if (job.reduction !== null && spec.sparsity === 0) delete shown.sparsity; // reduced otherwise
  // The service refuses a deadline in the past.
  if (deadline !== null && new Date(deadline).getTime() <= Date.now()) delete body.deadline;
  return (
    <Section title="Configuration">
      <Facts>
        {job.reduction !== null && <Fact name="reduction">{percent(job.reduction)}</Fact>}
        {Object.entries(shown).map(([name, value]) => (
          <Fact key={name} name={name}>
            {inWords(name, value)}
          </Fact>
        ))}
      </Facts>
      {data && <p className="faint">All other fields have their defaults.</p>}
      <CommandTabs body={body} schema={jobSchema(data ?? [])} />
    </Section>
  );
}

function inWords(name: string, value: unknown): ReactNode {
  if (name === "gate") return gateInWords(value as Gate);
  if (name === "output") return (value as Body[]).map(targetToText).join(", ");
  if (name === "expect") return `${Object.keys(value as object).length} inputs and versions`;
  return <Value name={name} value={value} />;
}

function gateInWords({ max = {}, min = {}, confidence }: Gate): string {
  const parts = [
    ...Object.entries(max).map(([metric, limit]) => `${metric} at most ${limit}`),
    ...Object.entries(min).map(([metric, limit]) => `${metric} at least ${limit}`),
  ];
  return parts.join(", ") + confidenceInWords(confidence);
}
