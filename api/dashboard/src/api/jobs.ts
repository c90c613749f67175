/** Queries of jobs that several pages use. */

import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { api, type Job, type Status, unwrap } from "./client.ts";
import { createdWithin } from "./created-within.ts";
import { upToDate } from "./live-events.ts";
import type { components, operations } from "./schema.d.ts";

type ListQuery = NonNullable<operations["list_jobs"]["parameters"]["query"]>;
export type Sort = NonNullable<ListQuery["sort"]>;

/** The filter of a list of jobs, which is also in the address bar. */
export interface JobFilter {
  status: Status[];
  verdict?: string;
  method?: string;
  model?: string;
  /** Labels as `name:value`. */
  label: string[];
  created_by?: string;
  sweep?: string;
  /** The state of an output, such as `failed`. */
  output?: string;
  /** A range of creation times, such as `yesterday`, or `custom` for `from` and `to`. */
  time?: string;
  from?: string;
  to?: string;
  q?: string;
  sort: Sort;
}

const FINAL: ReadonlySet<string> = new Set(["succeeded", "failed", "cancelled", "expired"]);
export const PAGE_SIZE = 100;
const POSITION_MS = 5000;

export function isFinal(status: string): boolean {
  return FINAL.has(status);
}

type EventPage = components["schemas"]["Page_EventRead_"];
/** Return the query parameters of a filter; its range of times is relative to now. */
export function asQuery(filter: JobFilter): ListQuery {
  return {
    status: filter.status.length > 0 ? filter.status : undefined,
    verdict: filter.verdict as ListQuery["verdict"],
    method: filter.method as ListQuery["method"],
    model: filter.model,
    label: filter.label.length > 0 ? filter.label : undefined,
    created_by: filter.created_by,
    sweep: filter.sweep,
    output: filter.output as ListQuery["output"],
    q: filter.q,
    ...createdWithin(filter, new Date()),
  };
}

export function jobList(filter: JobFilter) {
  return infiniteQueryOptions({
    queryKey: ["jobs", filter],
    queryFn: async ({ pageParam, signal, client }) => {
      const cursor = pageParam || undefined;
      const query = { ...asQuery(filter), sort: filter.sort, limit: PAGE_SIZE, cursor };
      const page = await unwrap(api.GET("/v1/jobs", { params: { query }, signal }));
      return { ...page, data: page.data.map((job) => upToDate(client, job)) };
    },
    initialPageParam: "",
    getNextPageParam: (last) => last.next_cursor ?? undefined,
  });
}

export function jobFacets(filter: JobFilter) {
  return queryOptions({
    queryKey: ["facets", { ...filter, sort: undefined }],
    queryFn: async ({ signal }) => {
      const query = { ...asQuery(filter), limit: 1, include: "facets" as const };
      const page = await unwrap(api.GET("/v1/jobs", { params: { query }, signal }));
      return page.facets ?? { status: {}, method: {}, verdict: {} };
    },
  });
}

const path = (job_id: string) => ({ path: { job_id } });

export function fetchJob(id: string): Promise<Job> {
  return unwrap(api.GET("/v1/jobs/{job_id}", { params: path(id) }));
}

export function jobById(id: string) {
  return queryOptions({
    queryKey: ["job", id],
    queryFn: async ({ client }) => upToDate(client, await fetchJob(id)),
    // No event reports a change of the position in the queue.
    refetchInterval: ({ state }) => (state.data?.status === "queued" ? POSITION_MS : false),
  });
}

export function jobBlocks(id: string, layers: boolean) {
  return queryOptions({
    queryKey: ["blocks", id, layers],
    queryFn: async ({ signal }) => {
      const params = { ...path(id), query: { layers } };
      return (await unwrap(api.GET("/v1/jobs/{job_id}/blocks", { params, signal }))).data.map(
        block,
      );
    },
  });
}

export function jobEvents(id: string) {
  return queryOptions({
    queryKey: ["events", id],
    queryFn: async ({ signal }) => {
      const events = [];
      for (let after = 0; ; ) {
        const params = { ...path(id), query: { after, limit: 1000 } };
        const response = await unwrap(api.GET("/v1/jobs/{job_id}/events", { params, signal }));
        const page = response as EventPage; // not a stream, which needs another Accept header
        events.push(...page.data);
        if (!page.has_more) return events;
        after = events.at(-1)?.seq ?? after;
      }
    },
  });
}

/** What pages show of the `report.json` of a job that has succeeded; its blocks are large. */
export function jobReport(id: string) {
  return queryOptions({
    queryKey: ["report", id],
    queryFn: ({ signal }) => {
      const params = { ...path(id), query: { only: ["generation", "recovery"] } };
      return unwrap(api.GET("/v1/jobs/{job_id}/manifest", { params, signal }));
    },
  });
}

interface Continuations {
  /** The most likely tokens. */
  greedy: string;
  /** Tokens drawn by the job's seed. */
  sampled: string;
}

/** The continuations of one prompt by the dense and by the pruned model. */
export interface GeneratedText {
  prompt: string;
  dense: Continuations;
  pruned: Continuations;
}

/** Return the texts in a job's report. */
export function generatedTexts(report: Record<string, unknown>): GeneratedText[] {
  return (report.generation ?? []) as GeneratedText[];
}

export function jobArtifacts(id: string) {
  return queryOptions({
    queryKey: ["artifacts", id],
    queryFn: async ({ signal }) =>
      (await unwrap(api.GET("/v1/jobs/{job_id}/artifacts", { params: path(id), signal }))).data,
  });
}

export function jobReruns(id: string) {
  return queryOptions({
    queryKey: ["reruns", id],
    queryFn: async ({ signal }) => {
      const query = { parent: id, limit: 20 };
      return (await unwrap(api.GET("/v1/jobs", { params: { query }, signal }))).data;
    },
  });
}

/** The report of one matrix of a block. */
export interface Layer {
  name: string;
  zeros: number;
  weights: number;
  fallback: string | null;
  expert: number | null;
  part: string | null;
  /** The relative error of its outputs; reports of older jobs have none. */
  error?: number | null;
  histogram?: WeightHistogram | null;
}

/** The report of one quantised matrix of a block. */
export interface QuantizedLayer {
  name: string;
  zeros: number;
  weights: number;
  scale_min: number;
  scale_max: number;
  /** The relative error of its outputs, which rounding causes. */
  error: number | null;
  fallback: string | null;
}

/** How many sampled weights are in each of equal bins from -limit to limit. */
export interface WeightHistogram {
  limit: number;
  before: number[];
  after: number[];
}

/** Return the name of a matrix in its block. */
export function layerName({ name, expert, part }: Layer): string {
  return [name, part, expert === null ? null : `expert ${expert}`].filter(Boolean).join(" · ");
}

/** The units, such as channels of an MLP, that were removed from one module of a block. */
export interface RemovedUnits {
  /** The layer that read them. */
  name: string;
  units: number;
  count: number;
  /** The first index and the end of each range; none for experts. */
  ranges: [number, number][];
}

/** One expert of the dense model. */
export interface Expert {
  score: number;
  /** How many calibration tokens were routed to it. */
  tokens: number;
  isKept: boolean;
}

/** The experts of one block, in the order of the dense model. */
export interface ExpertLayer {
  experts: Expert[];
  kept: number;
  /** The share of the gates' weight that the removed ones had. */
  gateRemoved: number | null;
  /** The share of the tokens that lost all of their experts. */
  unrouted: number | null;
}

/** The report of one decoder block. */
export interface Block {
  index: number;
  name: string;
  sparsity: number | null;
  error: number | null;
  seconds: number | null;
  coverage: number | null;
  /** The loss on windows held out, before and after the block was refined. */
  refinement: { before: number | null; after: number | null } | null;
  layers: Layer[];
  removed: RemovedUnits[];
  /** Whether the whole block was removed. */
  isDropped: boolean;
  /** How much the dense block changed the hidden state, if this was measured. */
  distance: number | null;
  quantized: QuantizedLayer[];
  /** Which of its experts stay, if some were removed. */
  experts: ExpertLayer | null;
}

interface RawBlock {
  index: number;
  name: string;
  data: Record<string, unknown>;
}

function block({ index, name, data }: RawBlock): Block {
  return {
    index,
    name,
    sparsity: number(data.sparsity),
    error: number(data.output_error),
    seconds: number(data.prune_seconds),
    coverage: number(data.coverage),
    refinement: refinement(data.refinement),
    layers: Array.isArray(data.layers) ? (data.layers as Layer[]) : [],
    removed: Array.isArray(data.removed) ? (data.removed as RemovedUnits[]) : [],
    isDropped: data.is_dropped === true,
    distance: number(data.distance),
    quantized: Array.isArray(data.quantized) ? (data.quantized as QuantizedLayer[]) : [],
    experts: expertLayer(data.experts),
  };
}

function expertLayer(data: unknown): ExpertLayer | null {
  if (typeof data !== "object" || data === null) return null;
  const fields = data as Record<string, unknown>;
  const [scores = [], tokens = [], kept = []] = ["scores", "tokens", "kept"].map(
    (name) => (fields[name] ?? []) as number[],
  );
  const stays = new Set(kept);
  return {
    experts: scores.map((score, at) => ({ score, tokens: tokens[at] ?? 0, isKept: stays.has(at) })),
    kept: stays.size,
    gateRemoved: number(fields.gate_removed),
    unrouted: number(fields.unrouted),
  };
}

function refinement(data: unknown): Block["refinement"] {
  if (typeof data !== "object" || data === null) return null;
  const { held_out_before, held_out_after } = data as Record<string, unknown>;
  return { before: number(held_out_before), after: number(held_out_after) };
}

export function number(value: unknown): number | null {
  return typeof value === "number" && Number.isFinite(value) ? value : null;
}
