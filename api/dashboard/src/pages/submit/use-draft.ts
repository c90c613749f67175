import { useMemo, useState } from "react";
import type { Catalogue } from "../../api/methods.ts";
import { changesOf, type Draft, draftOf, edited, splitBody } from "../../spec/draft.ts";
import type { Field } from "../../spec/fields.ts";
import { baseOf, presetFields, rebased } from "../../spec/presets.ts";
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
    ...draftOf(baseFor({}), fields),
    ...given,
  }));
  const [json, setJson] = useState<string | null>(null);
  /** Fields from the JSON view that have no input. */
  const [rest, setRest] = useState<Values>({});
  const base = baseFor(draft);
  const body = json === null ? { ...rest, ...changesOf(draft, fields, base) } : parsedObject(json);
  const change = (name: string, text: string) =>
    setDraft((old) => {
      const next = edited(old, name, text);
      return rebased(next, fields, baseFor(old), baseFor(next));
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
  const isPresetNew = draft.preset !== (before?.preset ?? "");
  return {
    draft,
    /** The text of each input without any change. */
    unchanged: draftOf(base, fields),
    /** The text of each input for the job that is rerun. */
    before,
    /** The fields that the chosen preset sets. */
    preset: isPresetNew ? presetFields(presets, draft) : [],
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
