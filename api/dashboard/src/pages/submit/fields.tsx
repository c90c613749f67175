import type { Catalogue } from "../../api/methods.ts";
import { type Draft, draftOf } from "../../spec/draft.ts";
import { type Field, isAmount, SHARES } from "../../spec/fields.ts";
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
  const recommended = catalogue.presets.find((one) => one.recommended)?.name;
  // How much is removed is required, unless another field, such as a pattern, says it.
  const isSaid = (share: Field) =>
    fields.some((one) => one !== share && isAmount(one) && draft[one.name]);
  const isRequired = (one: Field) => one.isRequired || (SHARES.has(one.name) && !isSaid(one));
  const input = (field: Field) => {
    const { name } = field;
    const common = { text: draft[name] ?? "", problem: problems[name] };
    const edit = (text: string) => change(name, text);
    if (field.kind === "gate") {
      const metrics = [...catalogue.metrics, ...taskMetricNames(draft.tasks ?? "")];
      return <GateField key={name} help={field.help} {...{ metrics, ...common }} change={edit} />;
    }
    if (name === "method") {
      return (
        <MethodPicker
          key={name}
          methods={catalogue.data}
          chosen={draft.method ?? ""}
          preset={isFromPreset("method") ? draft.preset : undefined}
          choose={edit}
        />
      );
    }
    const source = isFromPreset(name) ? `by preset ${draft.preset}` : undefined;
    const own = { original: before?.[name], suggestions: known[name] };
    return (
      <FieldInput
        key={name}
        field={{ ...field, isRequired: isRequired(field), ...(name === "preset" && NO_PRESET) }}
        {...{ source, ...own, ...common }}
        recommended={name === "preset" ? recommended : undefined}
        change={edit}
      />
    );
  };
  const defaults = draftOf(defaultsOf(fields), fields);
  const isFilled = ({ name }: Field) =>
    (draft[name] ?? "") !== "" && draft[name] !== defaults[name] && !isFromPreset(name);
  return grouped(fields).map((group) => (
    <FieldGroup
      key={group.title}
      title={group.title}
      isOpen={group.isOpen}
      isFilled={group.fields.some(isFilled)}
      isWrong={group.fields.some(({ name }) => name in problems)}
    >
      <div className="fields">{group.fields.map(input)}</div>
    </FieldGroup>
  ));
}

const NO_PRESET = { empty: "no preset" };
