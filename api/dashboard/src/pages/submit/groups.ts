/** The groups of a form's fields; fields without a section or group are in the last one. */

import type { Field } from "../../spec/fields.ts";

/** The sections of the fields, and groups of those that belong to the request itself. */
const GROUPS: { title: string; names?: string[]; isOpen: boolean }[] = [
  { title: "What to prune", isOpen: true },
  { title: "How to prune", isOpen: true },
  { title: "Recovery", isOpen: false },
  { title: "Quantisation", isOpen: false },
  { title: "Calibration", isOpen: false },
  { title: "Evaluation", isOpen: false },
  { title: "Gate", names: ["gate"], isOpen: true },
  { title: "Outputs", isOpen: false },
  {
    title: "Queue and deadline",
    names: ["queue", "priority", "deadline", "max_parallel"],
    isOpen: false,
  },
];
const REST = "Name and labels";

export interface Group {
  title: string;
  isOpen: boolean;
  fields: Field[];
}

export function grouped(fields: Field[]): Group[] {
  const groups = GROUPS.map(({ title, names = [], isOpen }) => ({
    title,
    isOpen,
    fields: fields.filter(({ name, section }) => section === title || names.includes(name)),
  }));
  const known = new Set(groups.flatMap((group) => group.fields));
  const rest = fields.filter((field) => !known.has(field));
  return [...groups, { title: REST, isOpen: false, fields: rest }].filter(
    (group) => group.fields.length > 0,
  );
}
