import { useQuery } from "@tanstack/react-query";
import type { Job } from "../../api/client.ts";
import { methods } from "../../api/methods.ts";
import { type Body, essential } from "../../spec/commands.ts";
import { written } from "../../spec/draft.ts";
import { jobFields } from "../../spec/fields.ts";
import { CommandTabs } from "../../ui/code.tsx";
import { Fact, Facts, Section } from "../../ui/section.tsx";

type Gate = NonNullable<Job["gate"]>;

/** What a job is without its saying so, beside its specification. */
const USUAL = { queue: "gpu", labels: {}, priority: 0 };

/** What was asked for, to read and to paste. */
export function Configuration({ job }: { job: Job }) {
  const { data } = useQuery(methods);
  const spec = job.spec as unknown as Record<string, unknown>;
  const defaults = Object.fromEntries(
    jobFields(data ?? []).map(({ name, fallback }) => [name, fallback]),
  );
  const { gate, queue, deadline, name, labels, priority } = job;
  const handling = essential({ queue, gate, deadline }, USUAL);
  const kept: Body = { ...essential(spec, defaults), ...handling };
  const body: Body = { ...kept, ...essential({ name, labels, priority }, USUAL) };
  // The service refuses a moment that has passed.
  if (deadline !== null && new Date(deadline).getTime() <= Date.now()) delete body.deadline;
  return (
    <Section title="Configuration">
      <Facts>
        {Object.entries(kept).map(([name, value]) => (
          <Fact key={name} name={name}>
            {name === "gate" ? gateInWords(value as Gate) : written(value)}
          </Fact>
        ))}
      </Facts>
      <p className="faint">Everything else is as by default.</p>
      <CommandTabs body={body} />
    </Section>
  );
}

function gateInWords({ max = {}, min = {} }: Gate): string {
  const said = [
    ...Object.entries(max).map(([figure, limit]) => `${figure} at most ${limit}`),
    ...Object.entries(min).map(([figure, limit]) => `${figure} at least ${limit}`),
  ];
  return said.join(", ");
}
