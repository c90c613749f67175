import { useQuery } from "@tanstack/react-query";
import type { Spec } from "../../api/client.ts";
import { type Estimate, estimateOf } from "../../api/estimates.ts";
import { bytes, duration, figure } from "../../format.ts";
import { ErrorNote, Warning } from "../../ui/notes.tsx";
import { Fact, Facts, Section } from "../../ui/section.tsx";

/** What an accepted order would take. */
export function EstimatePanel({ spec }: { spec: Spec | undefined }) {
  const { data, error } = useQuery(estimateOf(spec));
  if (spec === undefined) return null;
  return (
    <Section title={titleOf(data)}>
      {error !== null && <ErrorNote error={error} />}
      {error === null && data?.status !== "ready" && (
        <p className="faint" role="status">
          A worker reads the model's shapes; the job can be submitted meanwhile.
        </p>
      )}
      {data?.status === "ready" && <Figures estimate={data as Estimate} />}
    </Section>
  );
}

function titleOf(data: { status: string } | undefined): string {
  return data?.status === "ready" ? "What it takes" : "Estimating…";
}

function Figures({ estimate }: { estimate: Estimate }) {
  const { model, memory, seconds, windows } = estimate;
  return (
    <>
      {!estimate.fits && (
        <Warning>
          <p>{estimate.refusal ?? "No machine has the memory for this."}</p>
        </Warning>
      )}
      <Facts>
        <Fact name="Time">
          {seconds ? `${duration(seconds.p50)}, at most ${duration(seconds.p90)}` : "not known yet"}
        </Fact>
        <Fact name="Memory">{bytes(memory.host_bytes)}</Fact>
        {memory.device_bytes > 0 && <Fact name="On the device">{bytes(memory.device_bytes)}</Fact>}
        {memory.scratch_bytes > 0 && <Fact name="On disk">{bytes(memory.scratch_bytes)}</Fact>}
        <Fact name="Files">{bytes(estimate.artifact_bytes)}</Fact>
        <Fact name="Model">
          {figure(model.parameters / 1e6)} million parameters, {model.blocks} blocks
        </Fact>
        <Fact name="Text">
          {windows.calibration} × {windows.seq_len} tokens
        </Fact>
        {estimate.queue && <Fact name="Queue">{estimate.queue}</Fact>}
      </Facts>
      {estimate.hints.map((one) => (
        <p className="faint" key={one}>
          {one}
        </p>
      ))}
    </>
  );
}
