/** The values of a job's fields in words: "50 %", "yes", "24 GB with 8,192 tokens". */

import { bytesAsSet, count, percent } from "../format.ts";
import { SHARES } from "./fields.ts";
import { targetToText } from "./targets.ts";
import { toText } from "./values.ts";

type Values = Record<string, unknown>;

/** Write the value of a field; nothing if it is not set. */
export function inWords(name: string, value: unknown): string {
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (typeof value === "number") return numberInWords(name, value);
  if (Array.isArray(value)) return value.map((one) => inWords(name, one)).join(", ");
  if (typeof value !== "object" || value === null) return toText(value);
  const object = value as Values;
  if (name === "target") return sizeInWords(object) + candidatesInWords(object.candidates);
  if (name === "mix") {
    const text = object.generated ? "written by the dense model" : object.dataset;
    return `${text} ${percent(Number(object.share), 2)}`;
  }
  if (name === "output") return targetToText(object);
  if (name === "expect") return `${Object.keys(object).length} inputs and versions`;
  return Object.entries(object)
    .filter(([, part]) => part !== null)
    .map(([key, part], at) => (at === 0 ? "" : `${key.replaceAll("_", " ")} `) + inWords(key, part))
    .join(", ");
}

function numberInWords(name: string, value: number): string {
  if (SHARES.has(name)) return percent(value, 2);
  return Number.isInteger(value) && name !== "seed" ? count(value) : String(value);
}

/** Write the methods that are compared; nothing without any. */
function candidatesInWords(candidates: unknown): string {
  return Array.isArray(candidates) ? `, compared with ${candidates.join(", ")}` : "";
}

/** Write the largest size of a result. */
function sizeInWords({ memory, context, batch, bytes: size, ...counts }: Values): string {
  const number = (value: unknown) => count(Number(value));
  if (memory != null) {
    const sequences = batch == null ? "" : `${number(batch)} × `;
    return `${bytesAsSet(Number(memory))} with ${sequences}${number(context)} tokens`;
  }
  if (size != null) return `${bytesAsSet(Number(size))} of weight files`;
  const { parameters, active_parameters } = counts;
  if (parameters != null) return `${number(parameters)} parameters`;
  return `${number(active_parameters)} active parameters`;
}

/** Write a list as a sentence: "A model, a calibration text and how much is removed." */
export function sentence(parts: string[]): string {
  const last = parts.at(-1) ?? "";
  const text = parts.length > 1 ? `${parts.slice(0, -1).join(", ")} and ${last}` : last;
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}
