import { type ComponentProps, type Ref, useId } from "react";
import { Icon } from "./icon.tsx";

interface Props extends Omit<ComponentProps<"input">, "onChange"> {
  label: string;
  help?: string;
  problem?: string;
  change: (text: string) => void;
  ref?: Ref<HTMLInputElement>;
}

/** An input with its label, help and problem. */
export function TextField({ label, help, problem, change, ...input }: Props) {
  const id = useId();
  const described = [help && `${id}-help`, problem && `${id}-problem`].filter(Boolean).join(" ");
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      <input
        id={id}
        type="text"
        autoComplete="off"
        spellCheck={false}
        aria-invalid={problem ? true : undefined}
        aria-describedby={described || undefined}
        onChange={(event) => change(event.target.value)}
        {...input}
      />
      {help && (
        <p id={`${id}-help`} className="help">
          {help}
        </p>
      )}
      {problem && <FieldProblem id={`${id}-problem`}>{problem}</FieldProblem>}
    </div>
  );
}

export function FieldProblem({ id, children }: { id: string; children: string }) {
  return (
    <p id={id} className="problem">
      <Icon name="warning" />
      <span className="wrap">{children}</span>
    </p>
  );
}
