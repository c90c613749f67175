import { useQuery } from "@tanstack/react-query";
import type { Spec } from "../../api/client.ts";
import { type Estimate, estimateOf } from "../../api/estimates.ts";
import { bytes, count, duration, figure } from "../../format.ts";
import { ErrorNote, Warning } from "../../ui/notes.tsx";
import { Fact, Facts, Section } from "../../ui/section.tsx";

/** From how many seconds on less text is offered. */
const LONG_S = 1200;

interface Props {
  spec: Spec | undefined;
  /** Fill in fewer and shorter windows. */
  shorten?: () => void;
}

/** The estimate of a valid job. */
export function EstimatePanel({ spec, shorten }: Props) {
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
      {data?.status === "ready" && (
        <>
          <Values estimate={data as Estimate} />
          {shorten && isShortenable(data as Estimate, spec) && <LessText shorten={shorten} />}
        </>
      )}
    </Section>
  );
}

/** Whether a job takes long with as much text as by default. */
function isShortenable({ seconds }: Estimate, { samples, eval_samples }: Spec): boolean {
  return seconds !== null && seconds.p50 > LONG_S && samples === null && eval_samples === null;
}

function LessText({ shorten }: { shorten: () => void }) {
  return (
    <>
      <p>
        For a first try, a fast method and less text take a small part of this time. The model is
        worse, and its figures are less exact.
      </p>
      <div>
        <button type="button" onClick={shorten}>
          Use preset fast and 16 windows of 512 tokens
        </button>
      </div>
    </>
  );
}

function titleOf(data: { status: string } | undefined): string {
  return data?.status === "ready" ? "Estimate" : "Estimating…";
}

function Values({ estimate }: { estimate: Estimate }) {
  const { model, memory, seconds, cost, basis, windows, recovery } = estimate;
  const alone = estimate.seconds_alone;
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
        <Fact name={alone ? "Time now" : "Time"}>
          {seconds ? `${duration(seconds.p50)}, likely below ${duration(seconds.p90)}` : "unknown"}
        </Fact>
        {alone && <Fact name="When the machine is free">{duration(alone.p50)}</Fact>}
        {cost && (
          <Fact name="Cost">
            {figure(cost.p50)} {cost.currency}, likely below {figure(cost.p90)}
          </Fact>
        )}
        <Fact name="Memory">{bytes(memory.host_bytes)}</Fact>
        {memory.device_bytes > 0 && <Fact name="On the device">{bytes(memory.device_bytes)}</Fact>}
        {memory.scratch_bytes > 0 && <Fact name="On disk">{bytes(memory.scratch_bytes)}</Fact>}
        {recovery && <Fact name="Of which recovery">{recoveryInWords(recovery)}</Fact>}
        <Fact name="Files">{bytes(estimate.artifact_bytes)}</Fact>
        <Fact name="Model">
          {figure(model.parameters / 1e6)} million parameters, {model.blocks} blocks
        </Fact>
        <Fact name="Text">
          {count(windows.calibration)} × {count(windows.seq_len)} tokens
        </Fact>
        <Fact name="Measured on">
          {count(windows.evaluation)} × {count(windows.evaluation_seq_len ?? windows.seq_len)}{" "}
          tokens
        </Fact>
        {estimate.queue && <Fact name="Queue">{estimate.queue}</Fact>}
      </Facts>
      {basis && <p className="faint">{basis.text}</p>}
    </>
  );
}

function recoveryInWords({ steps, seconds, host_bytes }: NonNullable<Estimate["recovery"]>) {
  const time = seconds === null ? "" : `, ${duration(seconds)}`;
  return `${count(steps)} steps${time}, ${bytes(host_bytes)}`;
}
