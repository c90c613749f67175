import { Code } from "./code.tsx";

interface Props {
  title: string;
  words: string;
  text: string;
  label: string;
}

/** What the service shows this once. */
export function Secret({ title, words, text, label }: Props) {
  return (
    <div className="note is-succeeded" role="status">
      <div>
        <strong>{title}</strong>
        <p>{words}</p>
        <Code text={text} label={label} />
      </div>
    </div>
  );
}
