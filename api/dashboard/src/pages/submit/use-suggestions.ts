import { useQuery } from "@tanstack/react-query";
import { type Builtin, datasets, models, type Uploaded } from "../../api/datasets.ts";
import { me } from "../../api/keys.ts";
import { secrets } from "../../api/secrets.ts";
import { bytes } from "../../format.ts";

/** The media type of files that can hold questions. */
const ROWS = "application/jsonl";

/** A value that an input suggests, with a name for people. */
export interface Suggestion {
  value: string;
  label: string;
}

const MODEL_KINDS = { local: "on this machine", used: "used before" };
const SUITES = [
  { value: "wanda7", label: "the seven tasks of Wanda" },
  { value: "zpruner5", label: "the five tasks of Z-Pruner" },
];

/** Return the known values of the fields that also take others, by field. */
export function useSuggestions(): Record<string, Suggestion[]> {
  const known = useQuery(models).data ?? [];
  const keyId = useQuery(me).data?.key?.id ?? null;
  const stored = useQuery(secrets).data ?? [];
  const texts = useQuery(datasets).data ?? [];
  const model = known.map((one) => ({ value: one.model, label: MODEL_KINDS[one.kind] }));
  const dataset = texts.map(named);
  const questions = texts.filter((one) => one.kind === "uploaded" && one.media_type === ROWS);
  // An admin sees the secrets of other keys, too, but cannot use them.
  const ours = stored.filter((one) => one.created_by === keyId);
  const model_secret = ours.map(({ name }) => ({ value: name, label: "stored secret" }));
  const protocols = texts.flatMap((one) =>
    one.kind === "builtin" && one.protocol
      ? [{ value: one.protocol, label: "as the literature measures" }]
      : [],
  );
  const tasks = [...SUITES, ...questions.map(named)];
  const eval_dataset = [...protocols, ...dataset];
  return { model, model_secret, dataset, keep_dataset: dataset, eval_dataset, tasks };
}

function named(one: Builtin | Uploaded): Suggestion {
  const label =
    one.kind === "builtin" ? "built in" : `${one.name || one.id}, ${bytes(one.size_bytes)}`;
  return { value: one.dataset, label };
}

/** Return suggestions for a list: each adds one more name to those that are complete. */
export function completions(text: string, suggestions: Suggestion[]): Suggestion[] {
  const complete = text.split(",").slice(0, -1);
  const chosen = new Set(complete.map((name) => name.trim()));
  return suggestions
    .filter(({ value }) => !chosen.has(value))
    .map(({ value, label }) => ({ value: [...chosen, value].join(", "), label }));
}
