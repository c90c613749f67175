/** The draft of a sweep: shared fields, and lists of values for the varied ones. */

import { parse } from "../../spec/draft.ts";
import type { Field } from "../../spec/fields.ts";

/** Fields that can vary, in the order of the form. */
export const VARIED = [
  "sparsity",
  "ratio",
  "steps",
  "method",
  "pattern",
  "solver",
  "allocation",
  "preset",
];

/** Parse several values of one field; the pattern `none` means unstructured. */
export function valuesIn(field: Field, text: string): unknown[] {
  const one = {
    ...field,
    kind: field.kind === "choice-or-list" ? ("choice" as const) : field.kind,
  };
  return text
    .split(/[,\n]/)
    .map((part) => part.trim())
    .filter(Boolean)
    .map((part) => (part === "none" && field.name === "pattern" ? null : parse(one, part)));
}

/** Build the request. A field with one value is shared, but a grid needs at least one list: the
 * sparsities, or else the ratios, or else the patterns. */
export function sweepOf(
  shared: Record<string, unknown>,
  varied: Record<string, unknown[]>,
): Record<string, unknown> {
  const grid: Record<string, unknown[]> = {};
  const body = { ...shared };
  const needed = ["sparsity", "ratio"].find((name) => varied[name]?.length) ?? "pattern";
  for (const [name, values] of Object.entries(varied)) {
    if (values.length > 1 || (name === needed && values.length > 0)) grid[name] = values;
    else if (values.length === 1) body[name] = values[0];
  }
  return { ...body, grid };
}
