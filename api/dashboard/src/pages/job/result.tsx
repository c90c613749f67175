import type { Job } from "../../api/client.ts";
import { isBetter, perplexityInterval } from "../../api/intervals.ts";
import { number } from "../../api/jobs.ts";
import { patternsInWords } from "../../api/patterns.ts";
import { Bars } from "../../charts/bars.tsx";
import { bytes, change, count, duration, percent } from "../../format.ts";
import { Fact, Facts, Section } from "../../ui/section.tsx";
import { Reference } from "../../ui/value.tsx";

/** The metrics of the pruned model, compared with the dense one. */
export function Result({ job }: { job: Job }) {
  const metrics = job.result;
  if (!metrics) return null;
  const dense = number(metrics.dense_perplexity);
  const pruned = number(metrics.pruned_perplexity);
  const before = number(metrics.perplexity_before_recovery);
  const metric = (name: string) => number(metrics[name]);
  const [parameters, removed] = [metric("parameters"), metric("parameters_removed")];
  const isSmaller = removed !== null && removed > 0;
  const patterns = patternsInWords(metrics);
  const protocol = (metrics.protocol ?? {}) as Record<string, unknown>;
  return (
    <Section title="Result" aside={pruned !== null && <Delta dense={dense} pruned={pruned} />}>
      {dense !== null && pruned !== null && (
        <Bars
          label="Perplexity, dense and pruned"
          bars={[
            { name: "Dense", value: dense, isReference: true },
            ...(before === null ? [] : [{ name: "Pruned", value: before }]),
            {
              name: before === null ? "Pruned" : "Recovered",
              value: pruned,
              isBetter: isBetter(metrics, "perplexity_ratio", true),
            },
          ]}
        />
      )}
      {job.spec.uniform === false && (
        <p>
          The removed units are zeros in place: the model is neither smaller nor faster than the
          dense one. Of a Llama, zpruner gguf leaves them out for llama.cpp.
        </p>
      )}
      <Facts>
        <Fact name="Reduction">{percent(job.reduction)}</Fact>
        {isSmaller && (
          <Fact name="Parameters">
            {count(parameters)} of {count((parameters ?? 0) + removed)},{" "}
            {percent(removed / ((parameters ?? 0) + removed))} fewer
          </Fact>
        )}
        {metrics.weights_bytes != null && (
          <Fact name="Weight files">
            {bytes(metric("weights_bytes"))}
            {metrics.dense_weights_bytes != null && <> of {bytes(metric("dense_weights_bytes"))}</>}
          </Fact>
        )}
        {!isSmaller && <Fact name="Sparsity">{percent(metric("sparsity"))}</Fact>}
        <Interval result={metrics} name="pruned_perplexity" label="Perplexity, 95 %" />
        <Interval result={metrics} name="perplexity_ratio" label="Ratio to dense, 95 %" />
        {!isSmaller && (
          <Fact name="Zeros">
            {count(metric("zeros"))} of {count(metric("weights"))}
          </Fact>
        )}
        {patterns !== null && <Fact name="N:M pattern">{patterns}</Fact>}
        {metric("coverage") !== 0 && (
          <Fact name="Parameters covered">{percent(metric("coverage"))}</Fact>
        )}
        {typeof metrics.scores_known === "boolean" && (
          <Fact name="Scores of the dense model">
            {metrics.scores_known ? "measured by an earlier job" : "measured by this job"}
          </Fact>
        )}
        <Fact name="Fallbacks">{count(metric("fallbacks"))} matrices</Fact>
        <Fact name="Pruning alone">{duration(metric("prune_seconds"))}</Fact>
        <Fact name="Evaluation windows alone">{duration(metric("evaluate_seconds"))}</Fact>
        <Fact name="Peak memory">
          {bytes(metric("peak_memory_bytes"))}, planned{" "}
          {bytes(metric("predicted_peak_memory_bytes"))}
        </Fact>
        {protocol.windows != null && (
          <Fact name="Perplexity measured on" isLong>
            <Reference text={String(protocol.dataset)} />: {count(number(protocol.tokens))} tokens
            in {String(protocol.windows)} windows
          </Fact>
        )}
      </Facts>
      <p className="faint">
        In the phase “pruning” the evaluation windows also run through each block; “evaluating”
        comes after the last block. So these two times are not those of the phases.
      </p>
    </Section>
  );
}

function Interval({ result, name, label }: { result: Job["result"]; name: string; label: string }) {
  const ends = perplexityInterval(result, name);
  return ends === null ? null : <Fact name={label}>{ends}</Fact>;
}

function Delta({ dense, pruned }: { dense: number | null; pruned: number }) {
  return (
    <span className="faint">
      perplexity <span className="figure">{change(dense, pruned)}</span>
    </span>
  );
}
