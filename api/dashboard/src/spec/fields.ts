/** The fields of a job, from the JSON Schema of each method. */

import { formsOf, type Schema } from "./schema.ts";
import { TEXTS } from "./texts.ts";
import { toText } from "./values.ts";

export type Kind =
  | "text"
  | "number"
  | "integer"
  | "choice"
  | "list"
  | "texts"
  | "choice-or-list"
  | "flag"
  | "targets"
  | "share"
  | "gate"
  | "moment"
  | "labels";

export interface Field {
  name: string;
  label: string;
  /** The section of the form that has the field; empty for fields that are in none of their own. */
  section?: string;
  kind: Kind;
  isRequired: boolean;
  help: string;
  choices: string[];
  /** What a choice is without a name; by default, that of the service. */
  empty?: string;
  /** The value of an empty input. */
  fallback: unknown;
  example: string;
  min?: number;
  max?: number;
  /** The member of an object that the input sets; without a key, whether there is an object. */
  member?: { of: string; key: string };
  /** Its place at the head of the form. */
  place?: number;
  /** The fields beside which it has an effect, with their values; without values it is any. */
  needs?: Record<string, string[]>;
}

/** Fields that are written as a share, such as 50 %. */
export const SHARES = new Set(["sparsity", "ratio"]);

/** Whether a field at the head of the form says how much is removed, be it by a pattern. */
export function isAmount({ name, place, isRequired }: Field): boolean {
  return SHARES.has(name) || (place !== undefined && !isRequired && name !== "preset");
}

/** The targets of a result are objects of several kinds, and written in forms of their own. */
const TARGETS: Partial<Field> = {
  kind: "targets",
  help:
    "Where the result is sent once the job has succeeded: hub:org/name@secret, " +
    "s3://bucket/prefix@secret or mlflow:URL#experiment@secret, separated by commas; with more " +
    "options as a JSON list.",
  example: "hub:org/name@hf-write",
};

/** Return all fields of a job's schema, without `except`. */
export function fieldsOf(schema: Schema, except: string[] = []): Field[] {
  const properties = (schema.properties ?? {}) as Record<string, Schema>;
  const required = new Set(schema.required as string[]);
  const labels = (schema["x-labels"] ?? {}) as Record<string, string>;
  const sections = (schema["x-sections"] ?? {}) as Record<string, string>;
  const first = (schema["x-first"] ?? []) as string[];
  const needs = (schema["x-only-with"] ?? {}) as Record<string, Record<string, string[]>>;
  return Object.entries(properties)
    .filter(([name]) => !except.includes(name))
    .flatMap(([name, property]) => {
      const parts = membersOf(name, property, schema);
      const whole = field(name, property, required.has(name), schema);
      const section = sections[name];
      return [{ ...whole, ...parts.plain }, ...parts.fields].map((one) => ({
        ...one,
        label: labels[one.name] ?? one.label,
        section,
        place: first.includes(one.name) ? first.indexOf(one.name) : undefined,
        needs: needs[one.name],
      }));
    });
}

/** Whether a form is an object whose one required member a plain value stands for. */
function isNamed(form: Schema): boolean {
  return (form.required as string[] | undefined)?.length === 1;
}

/** Whether a form is an object for which `true` stands. */
function isFlagged(form: Schema, _: number, forms: Schema[]): boolean {
  return form.properties !== undefined && forms.some(({ type }) => type === "boolean");
}

/** Return fields for the members of a value that may be an object, and which one a plain value is. */
function membersOf(name: string, property: Schema, schema: Schema) {
  const forms = formsOf(property, schema);
  const object = forms.find(isNamed) ?? forms.find(isFlagged);
  if (object === undefined) return { plain: {}, fields: [] };
  const [key = ""] = (object.required as string[] | undefined) ?? [];
  const [first] = (property.examples as (Schema | undefined)[] | undefined) ?? [];
  const example = typeof first === "object" && key in first ? { example: toText(first[key]) } : {};
  const members = Object.entries(object.properties as Record<string, Schema>);
  const fields = members
    .filter(([member]) => member !== key)
    .map(([member, inner]) => ({
      ...field(`${name}.${member}`, inner, false, schema),
      member: { of: name, key: member },
    }));
  return { plain: { member: { of: name, key }, ...example }, fields };
}

function field(name: string, property: Schema, isRequired: boolean, schema: Schema): Field {
  const forms = formsOf(property, schema).filter((form) => !isNamed(form));
  const [first = {}] = forms;
  const own = name === "output" ? TARGETS : {};
  return {
    name,
    label: sentence(name),
    kind: SHARES.has(name) ? "share" : TEXTS.has(name) ? "texts" : kindOf(forms),
    isRequired,
    help: withoutForms(String(property.description ?? first.description ?? "")),
    ...choicesOf(forms, property.default ?? null),
    fallback: property.default ?? null,
    example: exampleOf(property),
    min: bound(first, "minimum", "exclusiveMinimum"),
    max: bound(first, "maximum", "exclusiveMaximum"),
    ...own,
  };
}

/** Leave out how a value is written in a request: ": `true`, or an object that sets more". */
function withoutForms(help: string): string {
  return help.replace(/(: `true`)?[,;] or an object that sets more( than the \w+)?/, "");
}

function kindOf(forms: Schema[]): Kind {
  const isList = forms.some((form) => form.type === "array");
  const isChoice = forms.some((form) => Array.isArray(form.enum));
  if (isList) return isChoice ? "choice-or-list" : "list";
  if (isChoice) return "choice";
  if (forms.some((form) => form.type === "boolean")) return "flag";
  const type = forms[0]?.type;
  return type === "number" || type === "integer" ? type : "text";
}

/** Return the names that a field can have; where nothing is the default, `none` is that. */
function choicesOf(forms: Schema[], fallback: unknown): Pick<Field, "choices" | "empty"> {
  const names = forms.flatMap((form) => (form.enum as string[] | undefined) ?? []);
  if (fallback !== null || !names.includes("none")) return { choices: names };
  return { choices: names.filter((name) => name !== "none"), empty: "none" };
}

function bound(form: Schema, ...names: string[]): number | undefined {
  const value = names.map((name) => form[name]).find((one) => typeof one === "number");
  return value as number | undefined;
}

function exampleOf(property: Schema): string {
  const [first] = (property.examples as unknown[] | undefined) ?? [];
  return toText(first);
}

function sentence(name: string): string {
  const words = name.replaceAll(/[._]/g, " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

interface Method {
  name: string;
  fields: string[];
  options: Schema;
}

/** Return the schema of the first method's jobs, which the others' differ from in `method` alone. */
export function jobSchema(methods: Method[]): Schema {
  return methods.find((one) => one.fields.includes("method"))?.options ?? {};
}

/**
 * Return the fields of any job, with all methods as choices: each schema has only its own.
 *
 * Expected inputs have no field in the form: `zpruner repeat` sets them.
 */
export function jobFields(methods: Method[]): Field[] {
  return fieldsOf(jobSchema(methods), ["expect"]).map((field) => {
    if (field.name !== "method") return field;
    const offered = methods.filter((one) => one.fields.includes("method"));
    const choices = offered.map((one) => one.name);
    return { ...field, kind: "choice", choices, fallback: choices[0] ?? null };
  });
}

/** What is shown of a field beside its value. */
export type NamedField = Pick<Field, "name" | "label" | "fallback" | "member">;

/** Return the fields of a specification as if nothing else were known of them. */
export function plainFields(spec: object): NamedField[] {
  return Object.keys(spec).map((name) => ({ name, label: sentence(name), fallback: null }));
}
