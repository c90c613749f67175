import { useQuery } from "@tanstack/react-query";
import { datasets, models } from "../../api/datasets.ts";
import { me } from "../../api/keys.ts";
import { secrets } from "../../api/secrets.ts";
import { bytes } from "../../format.ts";

/** A value that an input suggests, with a name for people. */
export interface Suggestion {
  value: string;
  label: string;
}

const MODEL_KINDS = { local: "on this machine", used: "used before" };

/** Return the known values of the fields that also take others, by field. */
export function useSuggestions(): Record<string, Suggestion[]> {
  const known = useQuery(models).data ?? [];
  const keyId = useQuery(me).data?.key?.id ?? null;
  const stored = useQuery(secrets).data ?? [];
  const texts = useQuery(datasets).data ?? [];
  const model = known.map((one) => ({ value: one.model, label: MODEL_KINDS[one.kind] }));
  const dataset = texts.map((one) => ({
    value: one.dataset,
    label: one.kind === "builtin" ? "built in" : `${one.name || one.id}, ${bytes(one.size_bytes)}`,
  }));
  // An admin sees the secrets of other keys, too, but cannot use them.
  const ours = stored.filter((one) => one.created_by === keyId);
  const model_secret = ours.map(({ name }) => ({ value: name, label: "stored secret" }));
  const protocols = texts.flatMap((one) =>
    one.kind === "builtin" && one.protocol
      ? [{ value: one.protocol, label: "as the literature measures" }]
      : [],
  );
  return { model, model_secret, dataset, eval_dataset: [...protocols, ...dataset] };
}
