import { useMemo, useState } from "react";
import type { Catalogue } from "../../api/methods.ts";
import { changesOf, type Draft, draftOf, edited, splitBody } from "../../spec/draft.ts";
import type { Field } from "../../spec/fields.ts";
import { baseOf, presetFields, rebased } from "../../spec/presets.ts";
import { shownFields, withoutHidden } from "../../spec/shown.ts";
import { parsedObject } from "./json.tsx";

type Values = Record<string, unknown>;

interface Options {
  fields: Field[];
  presets: Catalogue["presets"];
  /** The values of the job that is rerun. */
  original?: Values;
  /** Inputs that are filled in at the start. */
  given?: Draft;
}

/** A request as inputs or as JSON, each of which can be turned into the other. */
export function useDraft({ fields, presets, original, given }: Options) {
  const baseFor = (chosen: Values) => baseOf(fields, presets, chosen, original);
  const [draft, setDraft] = useState<Draft>(() => ({
    ...draftOf(baseFor(given ?? {}), fields),
    ...given,
  }));
  const [json, setJson] = useState<string | null>(null);
  /** Fields from the JSON view that have no input. */
  const [rest, setRest] = useState<Values>({});
  const effective = withoutHidden(draft, fields);
  const base = baseFor(effective);
  const changes = () => changesOf(effective, fields, base);
  const body = json === null ? { ...rest, ...changes() } : parsedObject(json);
  const change = (name: string, text: string) =>
    setDraft((old) => {
      const next = edited(old, name, text);
      const [from, to] = [old, next].map((one) => baseFor(withoutHidden(one, fields)));
      return rebased(next, fields, from ?? {}, to ?? {});
    });
  const showJson = () => setJson(JSON.stringify(body, null, 2));
  const showForm = () => {
    if (body === null) return;
    const split = splitBody(body, fields, baseFor(body));
    setDraft(split.draft);
    setRest(split.rest);
    setJson(null);
  };
  const before = useMemo(() => original && draftOf(original, fields), [original, fields]);
  const isPresetNew = effective.preset !== (before?.preset ?? "");
  return {
    draft,
    /** The fields that have an effect beside the others. */
    fields: shownFields(fields, draft),
    /** The text of each input without any change. */
    unchanged: draftOf(base, fields),
    /** The text of each input for the job that is rerun. */
    before,
    /** The fields that the chosen preset sets. */
    preset: isPresetNew ? presetFields(presets, effective) : [],
    body,
    json,
    rest,
    change,
    setJson,
    show: (isJson: boolean) => (isJson ? showJson() : showForm()),
    removeRest: () => setRest({}),
  };
}

export type DraftState = ReturnType<typeof useDraft>;
