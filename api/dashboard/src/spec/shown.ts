/** Which fields of a form have an effect beside the others, so that they are shown. */

import type { Draft } from "./draft.ts";
import type { Field } from "./fields.ts";
import { toText } from "./values.ts";

/** Return the fields that have an effect in this draft. */
export function shownFields(fields: Field[], draft: Draft): Field[] {
  const isShown = ({ name, member, needs = {} }: Field): boolean => {
    const wanted = member && member.of !== name ? { ...needs, [member.of]: [] } : needs;
    return Object.entries(wanted).every(([other, values]) => {
      const field = fields.find((one) => one.name === other);
      if (field === undefined) return true; // a sweep varies it
      const text = draft[other] ?? "";
      return isShown(field) && (values.length > 0 ? values.includes(text) : isSet(field, text));
    });
  };
  return fields.filter(isShown);
}

/** Return the draft without the texts of fields that are not shown. */
export function withoutHidden(draft: Draft, fields: Field[]): Draft {
  const shown = new Set(shownFields(fields, draft));
  const hidden = fields.filter((field) => !shown.has(field)).map(({ name }) => [name, ""]);
  return { ...draft, ...Object.fromEntries(hidden) };
}

function isSet({ fallback }: Field, text: string): boolean {
  return !["", "false", "none", toText(fallback)].includes(text.trim());
}
