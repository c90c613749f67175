/** The targets of a job's result, as text: in the short forms of the command line, or as JSON. */

type Target = Record<string, unknown>;

/** The members that the short forms leave out, with their defaults. */
const DEFAULTS: Record<string, Target> = {
  hub: { private: true, revision: "main" },
  s3: { endpoint: null, region: "us-east-1" },
  mlflow: {},
};

/** Write a target in its short form; as JSON, if it sets more. What is no object stays as it is. */
export function targetToText(target: unknown): string {
  if (typeof target !== "object" || target === null) return String(target);
  const { hub, s3, mlflow, experiment, secret, ...others } = target as Target;
  const kind = hub ? "hub" : s3 ? "s3" : "mlflow";
  const known = DEFAULTS[kind] ?? {};
  const isPlain = Object.entries(others).every(([name, value]) => known[name] === value);
  if (!isPlain) return JSON.stringify(target);
  const name = hub ? `hub:${hub}` : s3 ? String(s3) : `mlflow:${mlflow}#${experiment}`;
  return secret ? `${name}@${secret}` : name;
}

/** Write targets: separated by commas, or as one JSON list. */
export function targetsToText(value: unknown): string {
  const texts = Array.isArray(value) ? value.map(targetToText) : [];
  return texts.some((text) => text.startsWith("{")) ? JSON.stringify(value) : texts.join(", ");
}

/** Parse targets; invalid text stays text, so that the service refuses it by field. */
export function targetsOf(text: string): unknown {
  if (text.startsWith("[")) {
    try {
      return JSON.parse(text);
    } catch {
      return text;
    }
  }
  return text
    .split(/[,\s]+/)
    .filter(Boolean)
    .map(targetOf);
}

function targetOf(text: string): unknown {
  const [, hub, hubSecret] = /^hub:([^@]+)@([^@]+)$/.exec(text) ?? [];
  if (hub) return { hub, secret: hubSecret, ...DEFAULTS.hub };
  const [, s3, bucketSecret] = /^(s3:\/\/[^@]+)@([^@]+)$/.exec(text) ?? [];
  if (s3) return { s3, secret: bucketSecret, ...DEFAULTS.s3 };
  const [, mlflow, experiment, token] = /^mlflow:([^#]+)#([^@]+)(?:@([^@]+))?$/.exec(text) ?? [];
  if (mlflow) return { mlflow, experiment, secret: token ?? null };
  return text;
}
