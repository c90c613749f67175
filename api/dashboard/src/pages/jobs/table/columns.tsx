/** The columns of the table. */

import type { ReactNode } from "react";
import { Link } from "wouter";
import type { Job } from "../../../api/client.ts";
import { number } from "../../../api/jobs.ts";
import { bytes, count, figure, NONE, percent, shortId } from "../../../format.ts";
import { toText } from "../../../spec/values.ts";
import { Ago } from "../../../ui/time.tsx";
import { Reference } from "../../../ui/value.tsx";
import { JobStatus } from "../../../ui/waiting.tsx";
import {
  ErrorLine,
  Gate,
  hasOutcome,
  hasStep,
  Labels,
  Name,
  NextStep,
  Outcome,
  Position,
  Reduction,
  Submitter,
  Took,
} from "./cells.tsx";
import { Best, SweepName, SweepStatuses, SweepVerdicts } from "./sweep-cells.tsx";

export interface Column {
  id: string;
  title: string;
  /** Its width in pixels; a growing column shares what is left. */
  width: number;
  grows?: boolean;
  isNumber?: boolean;
  isShown: boolean;
  /** The name in the address by which the list is sorted. */
  sort?: string;
  /** Whether the cell of a job has a content; a column without any leaves its space to others. */
  has?: (job: Job) => boolean;
  /** The cell of a job, which may have a name within its sweep. */
  job: (job: Job, name?: string) => ReactNode;
  sweep?: (jobs: Job[]) => ReactNode;
}

export const COLUMNS: Column[] = [
  {
    id: "name",
    title: "Job",
    width: 170,
    grows: true,
    isShown: true,
    job: (job, name) => <Name job={job} name={name} />,
    sweep: (jobs) => <SweepName jobs={jobs} />,
  },
  {
    id: "status",
    title: "Status",
    width: 122,
    isShown: true,
    job: (job) => <JobStatus job={job} />,
    sweep: (jobs) => <SweepStatuses jobs={jobs} />,
  },
  {
    id: "verdict",
    title: "Gate",
    width: 124,
    isShown: true,
    job: (job) => <Gate job={job} />,
    sweep: (jobs) => <SweepVerdicts jobs={jobs} />,
  },
  reference("model", "Model", 170, ({ spec }) => spec.model),
  text("method", "Method", 92, true, ({ spec }) => spec.method),
  text("solver", "Solver", 90, false, ({ spec }) => spec.solver),
  text("pattern", "Pattern", 84, false, ({ spec }) => spec.pattern ?? "–"),
  text("allocation", "Allocation", 96, false, ({ spec }) =>
    Array.isArray(spec.allocation) ? "by block" : toText(spec.allocation),
  ),
  text("training", "Training", 120, false, ({ spec }) => training(spec)),
  {
    id: "reduction",
    title: "Reduction",
    width: 96,
    isNumber: true,
    isShown: true,
    sort: "reduction",
    job: (job) => <Reduction job={job} />,
  },
  {
    ...text("parameters", "Parameters", 116, false, ({ result }) =>
      count(number(result?.parameters)),
    ),
    isNumber: true,
  },
  {
    ...text("weights_bytes", "Weights", 100, false, ({ result }) =>
      bytes(number(result?.weights_bytes)),
    ),
    isNumber: true,
    sort: "weights_bytes",
  },
  {
    id: "outcome",
    title: "Progress or reason",
    width: 156,
    grows: true,
    isShown: true,
    has: hasOutcome,
    job: (job) => <Outcome job={job} />,
  },
  {
    ...figures("perplexity", "Perplexity", 100, (job) => job.result?.pruned_perplexity),
    sweep: (jobs) => <Best jobs={jobs} name="pruned_perplexity" />,
  },
  {
    ...figures("perplexity_ratio", "Ratio", 80, (job) => job.result?.perplexity_ratio),
    isShown: false,
    sweep: (jobs) => <Best jobs={jobs} name="perplexity_ratio" />,
  },
  {
    ...text("accuracy", "Accuracy", 100, false, (job) => percent(job.accuracy)),
    isNumber: true,
    sort: "accuracy",
  },
  {
    ...text("speed", "Speed", 80, false, ({ speed }) =>
      speed === null ? NONE : `× ${figure(speed)}`,
    ),
    isNumber: true,
    sort: "speed",
  },
  {
    id: "seconds",
    title: "Time",
    width: 112,
    isNumber: true,
    isShown: true,
    sort: "seconds",
    job: (job) => <Took job={job} />,
  },
  {
    ...text("size_bytes", "Size", 88, false, (job) => bytes(job.size_bytes)),
    isNumber: true,
    sort: "size_bytes",
  },
  {
    id: "error",
    title: "Error by block",
    width: 116,
    isShown: false,
    job: (job) => <ErrorLine job={job} />,
  },
  {
    id: "labels",
    title: "Labels",
    width: 124,
    grows: true,
    isShown: true,
    has: ({ labels }) => Object.keys(labels).length > 0,
    job: (job) => <Labels job={job} />,
  },
  {
    id: "submitter",
    title: "Submitter",
    width: 120,
    isShown: false,
    job: (job) => <Submitter job={job} />,
  },
  text("queue", "Queue", 72, false, (job) => job.queue),
  {
    id: "position",
    title: "Position",
    width: 84,
    isNumber: true,
    isShown: false,
    job: (job) => <Position job={job} />,
  },
  {
    id: "sweep",
    title: "Sweep",
    width: 100,
    isShown: false,
    job: ({ sweep_id: id }) =>
      id === null ? "–" : <Link href={`/sweeps/${id}`}>{shortId(id)}</Link>,
  },
  reference("dataset", "Dataset", 120, ({ spec }) => spec.dataset),
  {
    id: "created",
    title: "Created",
    width: 90,
    isShown: true,
    sort: "created",
    job: (job) => <Ago at={job.created_at} />,
    sweep: ([job]) => job && <Ago at={job.created_at} />,
  },
  {
    id: "next",
    title: "Next step",
    width: 96,
    isShown: true,
    has: hasStep,
    job: (job) => <NextStep job={job} />,
  },
];

function text(
  id: string,
  title: string,
  width: number,
  isShown: boolean,
  of: (job: Job) => string,
): Column {
  return { id, title, width, isShown, job: (job) => <span title={of(job)}>{of(job)}</span> };
}

function reference(id: string, title: string, width: number, of: (job: Job) => string): Column {
  return { id, title, width, isShown: false, job: (job) => <Reference text={of(job)} /> };
}

function figures(id: string, title: string, width: number, of: (job: Job) => unknown): Column {
  const job = (one: Job) => figure(number(of(one)));
  return { id, title, width, isNumber: true, isShown: true, sort: id, job };
}

function training({ refine, recover }: Job["spec"]): string {
  const kinds = [refine && "refined", recover && `recovered (${recover.kind})`];
  return kinds.filter(Boolean).join(", ") || "–";
}
