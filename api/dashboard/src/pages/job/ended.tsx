import { useEffect, useRef, useState } from "react";
import type { Job } from "../../api/client.ts";
import { isFinal } from "../../api/jobs.ts";

const GATE = { none: "", pass: ", its gate passed", fail: ", its gate failed" };

/** Says once, to those who listen to the page, how a job has ended while it was shown. */
export function Ended({ job, name }: { job: Job; name: string }) {
  const isOver = isFinal(job.status);
  const wasOver = useRef(isOver);
  const [text, say] = useState("");
  // biome-ignore lint/correctness/useExhaustiveDependencies: said once, whatever changes later
  useEffect(() => {
    if (isOver !== wasOver.current)
      say(isOver ? `${name} has ended: ${job.status}${GATE[job.verdict]}` : "");
    wasOver.current = isOver;
  }, [isOver]);
  return (
    <p className="unseen" role="status">
      {text}
    </p>
  );
}
