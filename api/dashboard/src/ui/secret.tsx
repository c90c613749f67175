import { useEffect, useRef } from "react";
import { Code } from "./code.tsx";

interface Props {
  title: string;
  words: string;
  text: string;
  label: string;
}

/** What the service shows this once; it takes the focus, so that nobody misses it. */
export function Secret({ title, words, text, label }: Props) {
  const note = useRef<HTMLDivElement>(null);
  // biome-ignore lint/correctness/useExhaustiveDependencies: every new secret is to be seen
  useEffect(() => note.current?.focus(), [text]);
  return (
    <div className="note is-succeeded" role="status" ref={note} tabIndex={-1}>
      <div>
        <strong>{title}</strong>
        <p>{words}</p>
        <Code text={text} label={label} />
      </div>
    </div>
  );
}
