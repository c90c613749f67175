/** Links that download a job's files, each of them or all as an archive, without a key. */

import { api, unwrap } from "./client.ts";
import { storedKey } from "./key.ts";
import type { components } from "./schema.d.ts";

export type Link = components["schemas"]["LinkRead"];

/** What is downloaded: one file, or the archive of a job, plain or compressed. */
export type Target =
  | { artifact: string; url: string }
  | { job: string; url: string; format?: "zstd" };

const DOWNLOAD_S = 300;
/** How long a shared link is valid. */
export const SHARED_S = 86_400;

export function linkTo(target: Target, expires_in: number): Promise<Link> {
  const body = { expires_in };
  if ("artifact" in target) {
    const params = { path: { artifact_id: target.artifact } };
    return unwrap(api.POST("/v1/artifacts/{artifact_id}/links", { params, body }));
  }
  const params = { path: { job_id: target.job } };
  return unwrap(api.POST("/v1/jobs/{job_id}/archive/links", { params, body }));
}

/** Return an address that the browser itself can download: it sends no key. */
export async function downloadUrl(target: Target): Promise<string> {
  const url = storedKey() === null ? target.url : (await linkTo(target, DOWNLOAD_S)).url;
  if (!("format" in target)) return url;
  return `${url}${url.includes("?") ? "&" : "?"}format=${target.format}`;
}
