import { useQuery } from "@tanstack/react-query";
import { type Builtin, datasets, models, type Uploaded } from "../../api/datasets.ts";
import { me } from "../../api/keys.ts";
import { secrets } from "../../api/secrets.ts";
import { bytes } from "../../format.ts";
import { type Known, toNames } from "../../spec/known-names.ts";

/** The media type of files that can hold questions. */
const ROWS = "application/jsonl";

const MODEL_KINDS = { local: "on this machine", used: "used before" };
const SUITES = [
  { value: "wanda7", label: "the seven tasks of Wanda" },
  { value: "zpruner5", label: "the five tasks of Z-Pruner" },
];

/** Return the known values of the fields that also take others, by field. */
export function useSuggestions(): Record<string, Known[]> {
  const known = useQuery(models).data ?? [];
  const keyId = useQuery(me).data?.key?.id ?? null;
  const stored = useQuery(secrets).data ?? [];
  const texts = useQuery(datasets).data ?? [];
  const local = known.filter(({ kind }) => kind === "local");
  const model = [...new Set([...local, ...known])].map((one) => ({
    value: one.model,
    label: MODEL_KINDS[one.kind],
  }));
  const dataset = texts.map(named);
  const questions = texts
    .filter((one) => one.kind === "uploaded" && one.media_type === ROWS)
    .map(named);
  // An admin sees the secrets of other keys, too, but cannot use them.
  const ours = stored.filter((one) => one.created_by === keyId);
  const model_secret = ours.map(({ name }) => ({ value: name, label: "stored secret" }));
  const protocols = texts.flatMap((one) =>
    one.kind === "builtin" && one.protocol
      ? [{ value: one.protocol, label: "as the literature measures" }]
      : [],
  );
  const tasks = [...SUITES, ...questions];
  const eval_dataset = [...protocols, ...dataset];
  const more = { keep_dataset: dataset, "rank_answers.dataset": questions };
  return { model, model_secret, dataset, eval_dataset, tasks, ...more };
}

function named(one: Builtin | Uploaded, _: number, all: (Builtin | Uploaded)[]): Known {
  if (one.kind === "builtin") return { value: one.dataset, label: firstSentence(one.description) };
  return { value: one.dataset, label: bytes(one.size_bytes), shown: shownName(one, all) };
}

function firstSentence(text: string): string {
  return text.split(". ")[0] ?? text;
}

/** The name of an upload, with the end of its id if another one has the same. */
function shownName({ id, name }: Uploaded, all: (Builtin | Uploaded)[]): string {
  if (!name) return `uploaded ${id}`;
  const isAlone = all.filter((one) => one.kind === "uploaded" && one.name === name).length === 1;
  return `${name.replaceAll(",", " ")} (uploaded${isAlone ? "" : ` ${id.slice(-4)}`})`;
}

/** Return suggestions for a list: each adds one more name to those that are complete. */
export function completions(text: string, known: Known[]): Known[] {
  const complete = text.split(",").slice(0, -1);
  const chosen = new Set(complete.map((name) => name.trim()));
  return known
    .filter(({ value }) => !chosen.has(value))
    .map(({ value, label }) => {
      const whole = [...chosen, value].join(", ");
      const shown = toNames(whole, known, true);
      return { value: whole, label, ...(shown === whole ? {} : { shown }) };
    });
}
