import { useQuery } from "@tanstack/react-query";
import type { Job } from "../../api/client.ts";
import { type Catalogue, catalogue } from "../../api/methods.ts";
import { moment, percent } from "../../format.ts";
import { type Body, withoutDefaults } from "../../spec/commands.ts";
import { expanded } from "../../spec/draft.ts";
import { jobFields, jobSchema, plainFields } from "../../spec/fields.ts";
import { gateInWords, withoutNulls } from "../../spec/gate.ts";
import { baseOf } from "../../spec/presets.ts";
import { inWords } from "../../spec/words.ts";
import { CommandTabs } from "../../ui/code.tsx";
import { Loading } from "../../ui/notes.tsx";
import { Fact, Facts, Section } from "../../ui/section.tsx";
import { Value } from "../../ui/value.tsx";

/** Defaults of the fields outside the specification. */
const DEFAULTS = { queue: "gpu", labels: {}, priority: 0 };

/** From how many letters on a value has a line of its own. */
const LONG = 24;

/** The fields of a job's request, and commands that repeat it. */
export function Configuration({ job }: { job: Job }) {
  const { data, isPending } = useQuery(catalogue);
  if (isPending) {
    // What was chosen is known only with the defaults.
    return (
      <Section title="Configuration">
        <Loading what="the configuration" />
      </Section>
    );
  }
  const spec = job.spec as unknown as Record<string, unknown>;
  const fields = data ? jobFields(data.data) : plainFields(spec);
  const { queue, deadline } = job;
  const body: Body = { ...differing(spec, data), ...handlingOf(job) };
  const given = expanded(spec, fields);
  const isReducedOtherwise = job.reduction !== null && spec.sparsity === 0;
  const shown = fields.filter(
    ({ name, fallback }) =>
      isSet(given[name], name === "method" && !spec.binarize ? null : fallback) &&
      !(name === "sparsity" && isReducedOtherwise),
  );
  // The service refuses a deadline in the past.
  if (deadline !== null && new Date(deadline).getTime() <= Date.now()) delete body.deadline;
  return (
    <Section title="Configuration">
      <Facts>
        {job.reduction !== null && <Fact name="Reduction">{percent(job.reduction)}</Fact>}
        {shown.map(({ name, label }) => (
          <Fact key={name} name={label} isLong={inWords(name, given[name]).length > LONG}>
            <Value name={name} value={given[name]} />
          </Fact>
        ))}
        {spec.expect != null && (
          <Fact name="Expected">
            <Value name="expect" value={spec.expect} />
          </Fact>
        )}
        {queue && queue !== DEFAULTS.queue && <Fact name="Queue">{queue}</Fact>}
        {job.gate && <Fact name="Gate">{gateInWords(job.gate)}</Fact>}
        {deadline && <Fact name="Deadline">{moment(deadline)}</Fact>}
      </Facts>
      {data && <p className="faint">All other fields have their defaults.</p>}
      <CommandTabs body={body} schema={jobSchema(data?.data ?? [])} />
    </Section>
  );
}

/** The fields that differ from what the service sets; all of them where that is not known. */
function differing(spec: Body, known?: Catalogue): Body {
  if (known === undefined) return spec;
  return withoutDefaults(spec, baseOf(jobFields(known.data), known.presets, spec));
}

/** What a request says beside the specification: how the job is named, queued and judged. */
function handlingOf(job: Job): Body {
  const { queue, deadline, max_cost, min_memory_gb, name, labels, priority } = job;
  const gate = job.gate && withoutNulls(job.gate);
  const given = { queue, gate, deadline, max_cost, min_memory_gb, name, labels, priority };
  return withoutDefaults(given, DEFAULTS);
}

/** Whether a field has another value than its default. */
function isSet(value: unknown, fallback: unknown): boolean {
  return value != null && JSON.stringify(value) !== JSON.stringify(fallback);
}
