import type { Job } from "../../api/client.ts";
import { number } from "../../api/jobs.ts";
import { Bars } from "../../charts/bars.tsx";
import { bytes, change, count, duration, percent } from "../../format.ts";
import { Fact, Facts, Section } from "../../ui/section.tsx";

/** What the pruned model is, against the dense one. */
export function Result({ job }: { job: Job }) {
  const found = job.result;
  if (!found) return null;
  const dense = number(found.dense_perplexity);
  const pruned = number(found.pruned_perplexity);
  const of = (name: string) => number(found[name]);
  const protocol = (found.protocol ?? {}) as Record<string, unknown>;
  return (
    <Section title="Result" aside={pruned !== null && <Delta dense={dense} pruned={pruned} />}>
      {dense !== null && pruned !== null && (
        <Bars
          label="Perplexity, dense against pruned"
          bars={[
            { name: "Dense", value: dense, isReference: true },
            { name: "Pruned", value: pruned },
          ]}
        />
      )}
      <Facts>
        <Fact name="Sparsity">{percent(of("sparsity"), 2)}</Fact>
        <Fact name="Zeros">
          {count(of("zeros"))} of {count(of("weights"))}
        </Fact>
        <Fact name="Parameters covered">{percent(of("coverage"))}</Fact>
        <Fact name="Pruned otherwise than asked">{count(of("fallbacks"))} matrices</Fact>
        <Fact name="Pruning">{duration(of("prune_seconds"))}</Fact>
        <Fact name="Evaluation">{duration(of("evaluate_seconds"))}</Fact>
        <Fact name="Peak memory">
          {bytes(of("peak_memory_bytes"))}, planned {bytes(of("predicted_peak_memory_bytes"))}
        </Fact>
        {protocol.windows != null && (
          <Fact name="Perplexity over">
            {count(number(protocol.tokens))} tokens in {String(protocol.windows)} windows
          </Fact>
        )}
      </Facts>
    </Section>
  );
}

function Delta({ dense, pruned }: { dense: number | null; pruned: number }) {
  return (
    <span className="faint">
      perplexity <span className="figure">{change(dense, pruned)}</span>
    </span>
  );
}
