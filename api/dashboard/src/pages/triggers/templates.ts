/** For each source: a trigger to start from, a payload as it sends them, and how it is set up. */

import type { TriggerSource } from "../../api/triggers.ts";
import templates from "./templates.json";

export interface Template {
  label: string;
  name: string;
  setup: string;
  job: Record<string, unknown>;
  filter: Record<string, unknown>;
  map: Record<string, string>;
  payload: unknown;
}

export const TEMPLATES = templates as Record<TriggerSource, Template>;
export const SOURCES = Object.keys(TEMPLATES) as TriggerSource[];
