import type { Catalogue } from "../../api/methods.ts";
import { type Draft, draftOf } from "../../spec/draft.ts";
import type { Field } from "../../spec/fields.ts";
import { taskMetricNames } from "../../spec/gate.ts";
import { defaultsOf } from "../../spec/presets.ts";
import { GateField } from "./gate.tsx";
import { FieldGroup } from "./group.tsx";
import { grouped } from "./groups.ts";
import { FieldInput } from "./input.tsx";
import { MethodPicker } from "./methods.tsx";
import { useSuggestions } from "./use-suggestions.ts";

interface Props {
  catalogue: Catalogue;
  fields: Field[];
  draft: Draft;
  /** The text of each input without any change. */
  unchanged: Draft;
  /** The text of each input for the job that is rerun. */
  before?: Draft;
  /** The fields that the chosen preset sets. */
  preset?: string[];
  problems: Record<string, string>;
  change: (name: string, text: string) => void;
}

/** The inputs of a job, in groups. */
export function Fields(props: Props) {
  const { catalogue, fields, draft, unchanged, before, preset = [], problems, change } = props;
  const known = useSuggestions();
  const isFromPreset = (name: string) => preset.includes(name) && draft[name] === unchanged[name];
  const input = (field: Field) => {
    const { name } = field;
    const common = { text: draft[name] ?? "", problem: problems[name] };
    const edit = (text: string) => change(name, text);
    if (field.kind === "gate") {
      const metrics = [...catalogue.metrics, ...taskMetricNames(draft.tasks ?? "")];
      return <GateField key={name} help={field.help} {...{ metrics, ...common }} change={edit} />;
    }
    const source = isFromPreset(name) ? `by preset ${draft.preset}` : undefined;
    const own = { original: before?.[name], suggestions: known[name] };
    return <FieldInput key={name} {...{ field, source, ...own, ...common }} change={edit} />;
  };
  const defaults = draftOf(defaultsOf(fields), fields);
  const method = fields.some(({ name }) => name === "method") && (
    <MethodPicker
      methods={catalogue.data}
      chosen={draft.method ?? ""}
      preset={isFromPreset("method") ? draft.preset : undefined}
      choose={(name) => change("method", name)}
    />
  );
  return grouped(fields.filter(({ name }) => name !== "method")).map((group) => (
    <FieldGroup
      key={group.title}
      title={group.title}
      isOpen={group.isOpen}
      isFilled={group.fields.some(({ name }) => isFilled(draft[name], defaults[name]))}
      isWrong={group.fields.some(({ name }) => name in problems)}
    >
      {group.fields
        .filter(({ name }) => name === "preset")
        .map((field) => (
          <div key={field.name} className="stack">
            <div className="fields">{input(field)}</div>
            {method}
          </div>
        ))}
      <div className="fields">
        {group.fields.filter(({ name }) => name !== "preset").map(input)}
      </div>
    </FieldGroup>
  ));
}

function isFilled(text = "", byDefault = ""): boolean {
  return text !== "" && text !== byDefault;
}
