/** The groups of a form's fields; fields without a group are in the last one. */

import type { Field } from "../../spec/fields.ts";

const GROUPS: { title: string; names: string[]; isOpen: boolean }[] = [
  {
    title: "What to prune",
    names: [
      "model",
      "revision",
      "model_secret",
      "dataset",
      "text_field",
      "sparsity",
      "pattern",
      "ratio",
      "uniform",
      "steps",
      "search_steps",
      "search_start",
      "selection",
      "keep_dataset",
      "keep_text_field",
    ],
    isOpen: true,
  },
  {
    title: "How to prune",
    names: [
      "preset",
      "solver",
      "variant",
      "allocation",
      "scope",
      "correction",
      "damping",
      "refine",
      "skip",
    ],
    isOpen: true,
  },
  {
    title: "Recovery",
    names: ["recover", "recover.tokens", "recover.lr", "recover.kl", "recover.temperature"],
    isOpen: false,
  },
  {
    title: "Quantisation",
    names: ["quantize", "quantize.group_size", "quantize.scales", "rotate", "binarize"],
    isOpen: false,
  },
  {
    title: "Calibration",
    names: ["samples", "seq_len", "propagation", "dtype", "seed"],
    isOpen: false,
  },
  {
    title: "Evaluation",
    names: [
      "eval_dataset",
      "eval_text_field",
      "eval_samples",
      "tasks",
      "task_limit",
      "generate",
      "rank_answers",
      "benchmark",
    ],
    isOpen: false,
  },
  { title: "Gate", names: ["gate"], isOpen: true },
  { title: "Outputs", names: ["output"], isOpen: false },
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
  const named = GROUPS.map(({ title, names, isOpen }) => ({
    title,
    isOpen,
    fields: names.flatMap((name) => fields.filter((field) => field.name === name)),
  }));
  const known = new Set(GROUPS.flatMap(({ names }) => names));
  const rest = fields.filter(({ name }) => !known.has(name));
  return [...named, { title: REST, isOpen: false, fields: rest }].filter(
    (group) => group.fields.length > 0,
  );
}
