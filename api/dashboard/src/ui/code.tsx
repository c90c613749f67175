import { useId, useState } from "react";
import { storedKey } from "../api/key.ts";
import { type Body, type Commands, commandsOf } from "../spec/commands.ts";
import type { Schema } from "../spec/schema.ts";
import { Copy } from "./copy.tsx";
import { Scroll } from "./scroll.tsx";

const NAMES: Record<keyof Commands, string> = {
  curl: "curl",
  cli: "Command line",
  python: "Python",
};

export function Code({ text, label }: { text: string; label: string }) {
  return (
    <div className="code">
      <Scroll label={label}>
        <pre>{text}</pre>
      </Scroll>
      <Copy text={text} label={`Copy ${label}`} />
    </div>
  );
}

/** Commands for a job, in tabs; `schema` is that of its fields. */
export function CommandTabs({ body, schema = {} }: { body: Body; schema?: Schema }) {
  const commands = commandsOf(body, schema, location.origin, storedKey() !== null);
  const [shown, show] = useState<keyof Commands>("curl");
  const name = useId();
  return (
    <div className="stack">
      <fieldset className="segmented">
        <legend className="unseen">Command format</legend>
        {(Object.keys(NAMES) as (keyof Commands)[]).map((one) => (
          <label key={one}>
            <input type="radio" name={name} checked={shown === one} onChange={() => show(one)} />
            <span>{NAMES[one]}</span>
          </label>
        ))}
      </fieldset>
      <Code text={commands[shown]} label={`${NAMES[shown]} command`} />
    </div>
  );
}
