import { useQuery } from "@tanstack/react-query";
import type { Job } from "../../api/client.ts";
import { jobOutputs } from "../../api/outputs.ts";

/** Return "2 of 3 outputs failed"; `null` if none did. */
export function useFailedOutputs(job: Job, isAsked = true): string | null {
  const hasOutputs = (job.spec.output ?? []).length > 0 && job.status === "succeeded";
  const { data = [] } = useQuery({ ...jobOutputs(job.id), enabled: isAsked && hasOutputs });
  const failed = data.filter(({ state }) => state === "failed").length;
  return failed === 0 ? null : `${failed} of ${data.length} outputs failed`;
}
