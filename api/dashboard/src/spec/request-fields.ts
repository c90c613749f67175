/** The fields of a request beside the specification: how the job is named, queued and judged. */

import type { Field } from "./fields.ts";

const OWN = { isRequired: false, choices: [], example: "", fallback: null };
export const DEFAULT_QUEUE = "gpu";

const GATE: Field = {
  ...OWN,
  name: "gate",
  label: "Gate",
  kind: "gate",
  help: "Bounds for the job's metrics; its verdict says whether they were met.",
};
const PRIORITY: Field = {
  ...OWN,
  name: "priority",
  label: "Priority",
  kind: "integer",
  help: "From -10 to 10; jobs of higher priority are taken first.",
  fallback: 0,
};
const NOT_BEFORE: Field = {
  ...OWN,
  name: "not_before",
  label: "Not before",
  kind: "moment",
  help: "The job waits until then, in the time zone of this browser.",
};
const DEADLINE: Field = {
  ...OWN,
  name: "deadline",
  label: "Deadline",
  kind: "moment",
  help: "The job expires if it has not ended by then, in the time zone of this browser.",
};
const NAME: Field = {
  ...OWN,
  name: "name",
  label: "Name",
  kind: "text",
  help: "A name for people; the list of jobs can be searched for it.",
};
const LABELS: Field = {
  ...OWN,
  name: "labels",
  label: "Labels",
  kind: "labels",
  help: 'Labels of your choice, such as team=nlp, run=7. A value with a comma is in quotes: note="a, b".',
  fallback: {},
};

/** Return the fields; `queues` are the names of the known queues. */
export function requestFields(queues: string[]): Field[] {
  const choices = queues.includes(DEFAULT_QUEUE) ? queues : [DEFAULT_QUEUE, ...queues];
  const queue: Field = {
    ...OWN,
    name: "queue",
    label: "Queue",
    kind: "choice",
    help: "The queue whose workers can take the job.",
    choices,
    fallback: DEFAULT_QUEUE,
  };
  return [GATE, queue, PRIORITY, NOT_BEFORE, DEADLINE, NAME, LABELS];
}
