import { useRef } from "react";
import { Code } from "./code.tsx";
import { useFocus } from "./focus.ts";

interface Props {
  title: string;
  message: string;
  text: string;
  label: string;
}

/** A secret that is shown only once; it takes the focus. */
export function Secret({ title, message, text, label }: Props) {
  const note = useRef<HTMLDivElement>(null);
  useFocus(note, text);
  return (
    <div className="note is-succeeded" role="status" ref={note} tabIndex={-1}>
      <div>
        <strong>{title}</strong>
        <p>{message}</p>
        <Code text={text} label={label} />
      </div>
    </div>
  );
}
