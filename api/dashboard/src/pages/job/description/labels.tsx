import { useId, useRef } from "react";
import { FieldProblem } from "../../../ui/field.tsx";
import { addLine } from "../../../ui/focus.ts";
import { Icon } from "../../../ui/icon.tsx";
import type { LabelDraft } from "./draft.ts";

interface Props {
  labels: LabelDraft[];
  problems: Map<number, string>;
  change: (labels: LabelDraft[]) => void;
}

/** A line of name and value for each label. */
export function LabelLines({ labels, problems, change }: Props) {
  const id = useId();
  const lines = useRef<HTMLUListElement>(null);
  const adder = useRef<HTMLButtonElement>(null);
  const edit = (key: number, part: Partial<LabelDraft>) =>
    change(labels.map((one) => (one.key === key ? { ...one, ...part } : one)));
  const add = () => {
    const key = Math.max(-1, ...labels.map((one) => one.key)) + 1;
    addLine(lines, () => change([...labels, { key, name: "", value: "" }]));
  };
  const remove = (key: number) => {
    change(labels.filter((one) => one.key !== key));
    adder.current?.focus();
  };
  return (
    <fieldset className="stack tight">
      <legend>Labels</legend>
      <p className="help">
        Jobs can be filtered by label. Names can have letters, digits and . _ / -
      </p>
      {labels.length > 0 && (
        <ul className="label-lines" ref={lines}>
          {labels.map(({ key, name, value }, index) => {
            const problem = problems.get(key);
            const common = {
              autoComplete: "off",
              spellCheck: false,
              "aria-invalid": problem ? true : undefined,
              "aria-describedby": problem ? `${id}-${key}` : undefined,
            };
            return (
              <li key={key}>
                <input
                  {...common}
                  aria-label={`Name of label ${index + 1}`}
                  placeholder="name"
                  value={name}
                  onChange={(event) => edit(key, { name: event.target.value })}
                />
                <input
                  {...common}
                  aria-label={`Value of label ${index + 1}`}
                  placeholder="value"
                  value={value}
                  onChange={(event) => edit(key, { value: event.target.value })}
                />
                <button
                  type="button"
                  className="quiet"
                  aria-label={`Remove label ${name || index + 1}`}
                  title="Remove"
                  onClick={() => remove(key)}
                >
                  <Icon name="cancel" />
                </button>
                {problem && <FieldProblem id={`${id}-${key}`}>{problem}</FieldProblem>}
              </li>
            );
          })}
        </ul>
      )}
      <div>
        <button type="button" className="small" ref={adder} onClick={add}>
          <Icon name="plus" />
          Add a label
        </button>
      </div>
    </fieldset>
  );
}
