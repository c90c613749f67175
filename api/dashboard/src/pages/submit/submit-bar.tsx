import { useQuery } from "@tanstack/react-query";
import type { Spec } from "../../api/client.ts";
import { type Estimate, estimateOf } from "../../api/estimates.ts";
import { bytes, duration } from "../../format.ts";

interface Props {
  /** The specification of a valid job. */
  spec: Spec | undefined;
  text: string;
  isReady: boolean;
}

/** The button that submits, with the estimate beside it; it stays in view. */
export function SubmitBar({ spec, text, isReady }: Props) {
  const { data } = useQuery(estimateOf(spec));
  return (
    <div className="submit-bar">
      {spec !== undefined && data?.status === "ready" && <Brief estimate={data as Estimate} />}
      <button type="submit" className="primary large" disabled={!isReady}>
        {text}
      </button>
    </div>
  );
}

function Brief({ estimate }: { estimate: Estimate }) {
  const { fits, seconds, seconds_alone: alone, memory } = estimate;
  const now = alone ? " now" : "";
  const time = seconds ? `About ${duration(seconds.p50)}${now}` : "Time unknown";
  const room = bytes(Math.max(memory.host_bytes, memory.device_bytes));
  return <p>{fits ? `${time}, ${room} of memory` : "No machine has enough memory"}</p>;
}
