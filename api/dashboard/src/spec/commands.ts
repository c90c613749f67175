/** A job as a command that can be pasted somewhere else. */

export type Body = Record<string, unknown>;

export interface Commands {
  curl: string;
  cli: string;
  python: string;
}

/** Say a job for the service at `origin`, which may want a key: the other two find it themselves. */
export function commandsOf(body: Body, origin: string, wantsKey = false): Commands {
  return {
    curl: curl(body, origin, wantsKey),
    cli: cli(body, origin),
    python: python(body, origin),
  };
}

function curl(body: Body, origin: string, wantsKey: boolean): string {
  // Not --json: curl has that from 7.82 on.
  const words = [`curl ${origin}/v1/jobs`];
  if (wantsKey) words.push(`-H "Authorization: Bearer $ZPRUNER_API_KEY"`);
  words.push("-H 'Content-Type: application/json'", `-d ${quoted(JSON.stringify(body))}`);
  return words.join(" \\\n  ");
}

function cli({ model, labels, ...options }: Body, origin: string): string {
  const words = [`ZPRUNER_URL=${origin}`, "zpruner", "submit", quoted(String(model))];
  for (const [name, value] of Object.entries(options)) words.push(...flags(name, value));
  const unsaid = Object.keys((labels ?? {}) as Body);
  if (unsaid.length > 0) words.push(`# labels are set over HTTP: ${unsaid.join(", ")}`);
  return folded(words);
}

/** Break before every option, as a person would. */
function folded(words: string[]): string {
  return words.map((word) => (word.startsWith("--") ? `\\\n  ${word}` : word)).join(" ");
}

/** A list is one word, but globs: those are given one by one. */
function flags(name: string, value: unknown): string[] {
  if (value === null) return [];
  if (name === "gate") return bounds(value as Body);
  if (name === "reuse") return value === "if_succeeded" ? ["--reuse"] : [];
  const flag = `--${name.replaceAll("_", "-")}`;
  if (!Array.isArray(value)) return [flag, quoted(String(value))];
  if (name === "skip") return value.flatMap((one) => [flag, quoted(String(one))]);
  return [flag, quoted(value.join(","))];
}

/** A gate's bounds: a flag for each figure. */
function bounds(gate: Body): string[] {
  return Object.entries(gate).flatMap(([side, limits]) =>
    Object.entries(limits as Body).flatMap(([figure, limit]) => [
      `--gate-${side}`,
      quoted(`${figure}=${limit}`),
    ]),
  );
}

function python(body: Body, origin: string): string {
  const lines = Object.entries(body).map(([name, value]) => `    ${name}=${literal(value)},`);
  return [
    "from zpruner import Client",
    "",
    `client = Client(${literal(origin)})`,
    "job = client.jobs.create(",
    ...lines,
    ")",
    "job = client.jobs.wait(job.id)",
  ].join("\n");
}

/** JSON is Python but for three words, none of which is written by JSON in a string alone. */
function literal(value: unknown): string {
  if (value === null) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (Array.isArray(value)) return `[${value.map(literal).join(", ")}]`;
  if (typeof value === "object") {
    const pairs = Object.entries(value as Body).map(([k, v]) => `${literal(k)}: ${literal(v)}`);
    return `{${pairs.join(", ")}}`;
  }
  return JSON.stringify(value);
}

/** Quote for a POSIX shell. */
export function quoted(word: string): string {
  if (/^[\w@%+=:,./-]+$/.test(word)) return word;
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

/** What of a specification is not the default. */
export function essential(spec: Body, defaults: Body): Body {
  const kept = Object.entries(spec).filter(
    ([name, value]) => JSON.stringify(value) !== JSON.stringify(defaults[name] ?? null),
  );
  return Object.fromEntries(kept);
}
