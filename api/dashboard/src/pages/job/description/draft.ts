/** The draft of a job's description, and its changes. */

import type { Description, JobPatch } from "../../../api/description.ts";
import { problemAt } from "../../../api/problem.ts";

export interface LabelDraft {
  /** Identifies the line while its name is edited. */
  key: number;
  name: string;
  value: string;
}

export interface DescriptionDraft {
  name: string;
  priority: string;
  labels: LabelDraft[];
}

export function draftOf({ name, priority, labels }: Description): DescriptionDraft {
  return {
    name: name ?? "",
    priority: String(priority),
    labels: Object.entries(labels).map(([name, value], key) => ({
      key,
      name,
      value: String(value),
    })),
  };
}

/** Return the fields that differ from the shown description. */
export function patchOf(shown: Description, draft: DescriptionDraft): JobPatch {
  const patch: JobPatch = {};
  const name = draft.name.trim();
  if (name !== (shown.name ?? "")) patch.name = name === "" ? null : name;
  const priority = draft.priority.trim();
  if (priority !== String(shown.priority)) patch.priority = wholeNumber(priority);
  const labels = labelChanges(shown.labels, draft.labels);
  if (Object.keys(labels).length > 0) patch.labels = labels;
  return patch;
}

/** Apply the draft's changes to the present description, after another person has changed it. */
export function rebased(
  shown: Description,
  draft: DescriptionDraft,
  now: Description,
): DescriptionDraft {
  const patch = patchOf(shown, draft);
  const labels = { ...now.labels };
  for (const [name, value] of Object.entries(patch.labels ?? {})) {
    if (value === null) delete labels[name];
    else labels[name] = value;
  }
  const fresh = draftOf({ ...now, labels });
  return {
    name: "name" in patch ? draft.name : fresh.name,
    priority: "priority" in patch ? draft.priority : fresh.priority,
    labels: fresh.labels,
  };
}

/** Return the number, or invalid text as it is, so that the service refuses it. */
function wholeNumber(text: string): number | null {
  if (text === "") return null;
  return /^[+-]?\d+$/.test(text) ? Number(text) : (text as unknown as number);
}

function labelChanges(shown: Description["labels"], drafts: LabelDraft[]) {
  const wanted = new Map(filled(drafts).map(({ name, value }) => [name.trim(), value.trim()]));
  const changes: Record<string, string | null> = {};
  for (const name of Object.keys(shown)) if (!wanted.has(name)) changes[name] = null;
  for (const [name, value] of wanted) if (shown[name] !== value) changes[name] = value;
  return changes;
}

function filled(drafts: LabelDraft[]): LabelDraft[] {
  return drafts.filter(({ name, value }) => name.trim() !== "" || value.trim() !== "");
}

/** Return the problem of each label line by its key: duplicate names, or the service's problem. */
export function labelProblems(drafts: LabelDraft[], error: unknown): Map<number, string> {
  const found = new Map<number, string>();
  const names = new Set<string>();
  for (const draft of filled(drafts)) {
    const name = draft.name.trim();
    const problem = serviceProblem(name, error);
    if (names.has(name)) found.set(draft.key, `There is already a label ${name}.`);
    else if (problem) found.set(draft.key, problem);
    names.add(name);
  }
  return found;
}

function serviceProblem(name: string, error: unknown): string | undefined {
  const part = name.replaceAll("~", "~0").replaceAll("/", "~1");
  return problemAt(error, `/labels/${part}`);
}
