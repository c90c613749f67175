/** JSON Schemas of the fields of a job. */

export type Schema = Record<string, unknown>;

/** Return the alternatives of a value, without null and with references resolved. */
export function formsOf(property: Schema, whole: Schema): Schema[] {
  const definitions = (whole.$defs ?? {}) as Record<string, Schema>;
  const forms = (property.anyOf as Schema[] | undefined) ?? [property];
  return forms
    .map((form) => {
      const name = String(form.$ref ?? "").replace("#/$defs/", "");
      return definitions[name] ?? form;
    })
    .filter((form) => form.type !== "null");
}
