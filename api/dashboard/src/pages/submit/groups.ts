/**
 * The groups of a form's fields: those that have a place at its head, then the method, then the
 * sections; fields without a section or group are in the last one.
 */

import type { Field } from "../../spec/fields.ts";

/** The sections of the fields, and groups of those that belong to the request itself. */
const GROUPS: { title: string; names?: string[]; isOpen: boolean }[] = [
  { title: "Method", names: ["method"], isOpen: true },
  { title: "What to prune", isOpen: false },
  { title: "How to prune", isOpen: false },
  { title: "Recovery", isOpen: false },
  { title: "Quantisation", isOpen: false },
  { title: "Model and text", isOpen: false },
  { title: "Calibration", isOpen: false },
  { title: "Evaluation", isOpen: false },
  { title: "Outputs", isOpen: false },
  {
    title: "Queue and deadline",
    names: ["queue", "priority", "deadline", "max_parallel"],
    isOpen: false,
  },
];
const HEAD = "Model, reduction and gate";
const REST = "Name and labels";

export interface Group {
  title: string;
  isOpen: boolean;
  fields: Field[];
}

export function grouped(fields: Field[]): Group[] {
  const head = fields
    .filter(({ name, place }) => place !== undefined || name === "gate")
    .sort((one, other) => (one.place ?? LAST) - (other.place ?? LAST));
  const groups = [{ title: HEAD, isOpen: true, fields: head }];
  for (const { title, names = [], isOpen } of GROUPS) {
    const known = new Set(groups.flatMap((group) => group.fields));
    const own = fields.filter(
      (field) =>
        !known.has(field) &&
        (names.includes(field.name) || (field.section === title && field.name !== "method")),
    );
    groups.push({ title, isOpen, fields: own });
  }
  const known = new Set(groups.flatMap((group) => group.fields));
  const rest = fields.filter((field) => !known.has(field));
  return [...groups, { title: REST, isOpen: false, fields: rest }].filter(
    (group) => group.fields.length > 0,
  );
}

const LAST = Number.POSITIVE_INFINITY;
