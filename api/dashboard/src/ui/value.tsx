import { toText } from "../spec/draft.ts";
import { TEXTS } from "../spec/texts.ts";

/** The value of a job's field; texts are shown one by one. */
export function Value({ name, value }: { name: string; value: unknown }) {
  if (TEXTS.has(name) && Array.isArray(value)) return <Texts texts={value.map(String)} />;
  return toText(value);
}

/** Texts, of which one can see where each ends. */
export function Texts({ texts }: { texts: string[] }) {
  return (
    <ol className="texts">
      {texts.map((text) => (
        <li key={text}>{text}</li>
      ))}
    </ol>
  );
}
