import { useId, useState } from "react";
import type { Commands } from "../spec/commands.ts";
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

/** The same thing three ways. */
export function CommandTabs({ commands }: { commands: Commands }) {
  const [shown, show] = useState<keyof Commands>("curl");
  const name = useId();
  return (
    <div className="stack">
      <fieldset className="segmented">
        <legend className="unseen">How to say it</legend>
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
