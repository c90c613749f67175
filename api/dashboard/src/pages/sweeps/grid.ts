/** A sweep as it is being typed: shared fields, and lists of values for those that vary. */

import { read } from "../../spec/draft.ts";
import type { Field } from "../../spec/fields.ts";

/** Fields that may vary, in the order of the form. */
export const VARIED = ["sparsity", "method", "pattern", "solver", "allocation"];

/** Read several values of one field; an empty part of `pattern` or the like means the default. */
export function valuesIn(field: Field, text: string): unknown[] {
  const one = {
    ...field,
    kind: field.kind === "choice-or-list" ? ("choice" as const) : field.kind,
  };
  return text
    .split(/[,\n]/)
    .map((part) => part.trim())
    .filter(Boolean)
    .map((part) => (part === "none" && field.name === "pattern" ? null : read(one, part)));
}

/** Divide what varies from what all points share. One value varies nothing, but a grid needs one
 * list at least: the sparsities, or else the patterns. */
export function sweepOf(
  shared: Record<string, unknown>,
  varied: Record<string, unknown[]>,
): Record<string, unknown> {
  const grid: Record<string, unknown[]> = {};
  const body = { ...shared };
  const needed = varied.sparsity?.length ? "sparsity" : "pattern";
  for (const [name, values] of Object.entries(varied)) {
    if (values.length > 1 || (name === needed && values.length > 0)) grid[name] = values;
    else if (values.length === 1) body[name] = values[0];
  }
  return { ...body, grid };
}
