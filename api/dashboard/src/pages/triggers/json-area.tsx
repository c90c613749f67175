import { useId } from "react";
import { FieldProblem } from "../../ui/field.tsx";

interface Props {
  label: string;
  help: string;
  text: string;
  isValid: boolean;
  change: (text: string) => void;
}

/** A text area for JSON. */
export function JsonArea({ label, help, text, isValid, change }: Props) {
  const id = useId();
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      <textarea
        id={id}
        className="mono"
        rows={Math.min(18, Math.max(6, text.split("\n").length + 1))}
        spellCheck={false}
        value={text}
        aria-invalid={isValid ? undefined : true}
        aria-describedby={isValid ? `${id}-help` : `${id}-help ${id}-problem`}
        onChange={(event) => change(event.target.value)}
      />
      <p id={`${id}-help`} className="help">
        {help}
      </p>
      {!isValid && (
        <FieldProblem id={`${id}-problem`}>This is not JSON. Check commas and quotes.</FieldProblem>
      )}
    </div>
  );
}
