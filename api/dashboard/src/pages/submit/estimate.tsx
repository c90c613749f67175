import { useQuery } from "@tanstack/react-query";
import type { Spec } from "../../api/client.ts";
import { type Estimate, estimateOf } from "../../api/estimates.ts";
import { bytes, duration, figure } from "../../format.ts";
import { ErrorNote, Warning } from "../../ui/notes.tsx";
import { Fact, Facts, Section } from "../../ui/section.tsx";

/** The estimate of a valid job. */
export function EstimatePanel({ spec }: { spec: Spec | undefined }) {
  const { data, error } = useQuery(estimateOf(spec));
  if (spec === undefined) return null;
  return (
    <Section title={titleOf(data)}>
      {error !== null && <ErrorNote error={error} />}
      {error === null && data?.status !== "ready" && (
        <p className="faint" role="status">
          The service reads the model's shapes. You can submit the job meanwhile.
        </p>
      )}
      {data?.status === "ready" && <Values estimate={data as Estimate} />}
    </Section>
  );
}

function titleOf(data: { status: string } | undefined): string {
  return data?.status === "ready" ? "Estimate" : "Estimating…";
}

function Values({ estimate }: { estimate: Estimate }) {
  const { model, memory, seconds, basis, windows, recovery } = estimate;
  return (
    <>
      {!estimate.fits && (
        <Warning>
          <p>{estimate.refusal ?? "No machine has enough memory for this job."}</p>
        </Warning>
      )}
      {basis && basis.slowdown > 1 && (
        <Warning>
          <p>
            The machine is busy: other programs make work take {figure(basis.slowdown)} times as
            long.
          </p>
        </Warning>
      )}
      <Facts>
        <Fact name="Time">
          {seconds ? `${duration(seconds.p50)}, likely below ${duration(seconds.p90)}` : "unknown"}
        </Fact>
        {basis && <Fact name="Based on">{basis.text}</Fact>}
        <Fact name="Memory">{bytes(memory.host_bytes)}</Fact>
        {memory.device_bytes > 0 && <Fact name="On the device">{bytes(memory.device_bytes)}</Fact>}
        {memory.scratch_bytes > 0 && <Fact name="On disk">{bytes(memory.scratch_bytes)}</Fact>}
        {recovery && <Fact name="Of which recovery">{recoveryInWords(recovery)}</Fact>}
        <Fact name="Files">{bytes(estimate.artifact_bytes)}</Fact>
        <Fact name="Model">
          {figure(model.parameters / 1e6)} million parameters, {model.blocks} blocks
        </Fact>
        <Fact name="Text">
          {windows.calibration} × {windows.seq_len} tokens
        </Fact>
        <Fact name="Measured on">
          {windows.evaluation} × {windows.evaluation_seq_len ?? windows.seq_len} tokens
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

function recoveryInWords({ steps, seconds, host_bytes }: NonNullable<Estimate["recovery"]>) {
  const time = seconds === null ? "" : `, ${duration(seconds)}`;
  return `${steps} steps${time}, ${bytes(host_bytes)}`;
}
