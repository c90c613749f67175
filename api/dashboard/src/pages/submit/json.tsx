import { useId } from "react";

interface Props {
  text: string;
  problem: string | null;
  change: (text: string) => void;
}

/** An editor of the request as JSON. */
export function JsonEditor({ text, problem, change }: Props) {
  const id = useId();
  return (
    <div className="field">
      <label htmlFor={id}>The request as JSON</label>
      <textarea
        id={id}
        className="mono"
        rows={Math.max(12, text.split("\n").length + 1)}
        spellCheck={false}
        value={text}
        aria-invalid={problem ? true : undefined}
        aria-describedby={problem ? `${id}-problem` : undefined}
        onChange={(event) => change(event.target.value)}
      />
      {problem && (
        <p id={`${id}-problem`} className="problem">
          {problem}
        </p>
      )}
    </div>
  );
}

/** Parse a JSON object; return `null` for anything else. */
export function parsedObject(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text);
    const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
    return isObject ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}
