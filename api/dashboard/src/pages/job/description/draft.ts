/** A job's description as it is being typed, and what of it is to be changed. */

import type { Description, JobPatch } from "../../../api/description.ts";
import { problemAt } from "../../../api/problem.ts";

export interface LabelDraft {
  /** Tells the lines apart while their names are typed. */
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

/** What differs from what the person saw; what somebody does not touch is not said. */
export function patchOf(seen: Description, draft: DescriptionDraft): JobPatch {
  const patch: JobPatch = {};
  const name = draft.name.trim();
  if (name !== (seen.name ?? "")) patch.name = name === "" ? null : name;
  const priority = draft.priority.trim();
  if (priority !== String(seen.priority)) patch.priority = wholeNumber(priority);
  const labels = labelChanges(seen.labels, draft.labels);
  if (Object.keys(labels).length > 0) patch.labels = labels;
  return patch;
}

/** What the form says once somebody else has changed the job: what the person touched stays. */
export function rebased(
  seen: Description,
  draft: DescriptionDraft,
  now: Description,
): DescriptionDraft {
  const patch = patchOf(seen, draft);
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

/** Return the number, or the text as it is, for the service to refuse by its words. */
function wholeNumber(text: string): number | null {
  if (text === "") return null;
  return /^[+-]?\d+$/.test(text) ? Number(text) : (text as unknown as number);
}

function labelChanges(seen: Description["labels"], drafts: LabelDraft[]) {
  const wanted = new Map(filled(drafts).map(({ name, value }) => [name.trim(), value.trim()]));
  const changes: Record<string, string | null> = {};
  for (const name of Object.keys(seen)) if (!wanted.has(name)) changes[name] = null;
  for (const [name, value] of wanted) if (seen[name] !== value) changes[name] = value;
  return changes;
}

function filled(drafts: LabelDraft[]): LabelDraft[] {
  return drafts.filter(({ name, value }) => name.trim() !== "" || value.trim() !== "");
}

/** What is wrong with each line of labels, by its key: names given twice, or what the service says. */
export function labelProblems(drafts: LabelDraft[], error: unknown): Map<number, string> {
  const found = new Map<number, string>();
  const names = new Set<string>();
  for (const draft of filled(drafts)) {
    const name = draft.name.trim();
    const said = refused(name, error);
    if (names.has(name)) found.set(draft.key, `There is another label ${name}.`);
    else if (said) found.set(draft.key, said);
    names.add(name);
  }
  return found;
}

function refused(name: string, error: unknown): string | undefined {
  const place = `/labels/${name}`;
  return problemAt(error, place) ?? problemAt(error, `${place}/[key]`);
}
