/** Whether the files of a job's result are there. */

import { useQuery } from "@tanstack/react-query";
import type { Job } from "../../api/client.ts";
import { jobArtifacts } from "../../api/jobs.ts";
import { useMay } from "../../api/keys.ts";

/**
 * Whether a job has all the files of its result, as far as the caller may know: a retention rule
 * may have deleted some. A job without files answers a trial.
 */
export function useHasFiles({ id, status, size_bytes }: Job): boolean {
  const hadFiles = status === "succeeded" && size_bytes !== 0;
  const enabled = useMay("artifacts:read") === true && hadFiles;
  const { data } = useQuery({ ...jobArtifacts(id), enabled });
  const isStored = data?.every(({ deleted_at }) => deleted_at === null) ?? true;
  return hadFiles && isStored && data?.length !== 0;
}
