import { useQuery } from "@tanstack/react-query";
import type { Job } from "../../api/client.ts";
import { methods } from "../../api/methods.ts";
import { commandsOf, essential } from "../../spec/commands.ts";
import { written } from "../../spec/draft.ts";
import { jobFields } from "../../spec/fields.ts";
import { CommandTabs } from "../../ui/code.tsx";
import { Fact, Facts, Section } from "../../ui/section.tsx";

/** What was asked for, to read and to paste. */
export function Configuration({ job }: { job: Job }) {
  const { data } = useQuery(methods);
  const spec = job.spec as unknown as Record<string, unknown>;
  const defaults = Object.fromEntries(
    jobFields(data ?? []).map(({ name, fallback }) => [name, fallback]),
  );
  const kept = essential(spec, defaults);
  const body = {
    ...kept,
    ...(job.name ? { name: job.name } : {}),
    ...(Object.keys(job.labels).length > 0 ? { labels: job.labels } : {}),
    ...(job.priority !== 0 ? { priority: job.priority } : {}),
  };
  return (
    <Section title="Configuration">
      <Facts>
        {Object.entries(kept).map(([name, value]) => (
          <Fact key={name} name={name}>
            {written(value)}
          </Fact>
        ))}
      </Facts>
      <p className="faint">Everything else is as by default.</p>
      <CommandTabs commands={commandsOf(body, location.origin)} />
    </Section>
  );
}
