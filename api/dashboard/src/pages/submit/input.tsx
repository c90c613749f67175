import { useId } from "react";
import type { Field } from "../../spec/fields.ts";
import { type Known, toNames, toValues } from "../../spec/known-names.ts";
import { fromLocalInput, toLocalInput } from "../../spec/moment.ts";
import { textsOf } from "../../spec/texts.ts";
import { toText } from "../../spec/values.ts";
import { FieldProblem } from "../../ui/field.tsx";
import { TextsInput } from "./texts-input.tsx";
import { completions } from "./use-suggestions.ts";

interface Props {
  field: Field;
  text: string;
  /** The value in the job that is rerun. */
  original?: string;
  /** What has set the value, if it was not the reader. */
  source?: string;
  /** Known values, beside which any other can be written. */
  suggestions?: Known[];
  /** The choice to begin with. */
  recommended?: string;
  problem?: string;
  change: (text: string) => void;
}

/** One field of the form. */
export function FieldInput(props: Props) {
  const { field, text, original, source, recommended, problem, change } = props;
  const { suggestions: known = [] } = props;
  const isList = field.kind === "list";
  const suggestions = isList ? completions(text, known) : known;
  const id = useId();
  const chosen = known.find(({ value }) => value === text.trim());
  const isChanged = original !== undefined && original !== text.trim();
  const described = [field.help && `${id}-help`, problem && `${id}-problem`]
    .filter(Boolean)
    .join(" ");
  const common = {
    id,
    value: toNames(text, known, isList),
    required: field.isRequired,
    "aria-invalid": problem ? true : undefined,
    "aria-describedby": described || undefined,
    onChange: (event: { target: { value: string } }) =>
      change(toValues(event.target.value, known, isList)),
  };
  const label = (
    <label htmlFor={id}>
      {field.label} {isChanged && <Was {...{ field, original, known }} />}
      {source && <span className="tag">{source}</span>}
    </label>
  );
  return (
    <div className={isChanged ? "field is-changed" : "field"}>
      {field.kind === "flag" ? (
        <div className="row tight flag">
          <input
            {...common}
            type="checkbox"
            value="true"
            checked={text === "true"}
            onChange={({ target }) => change(target.checked ? "true" : off(field))}
          />
          {label}
        </div>
      ) : (
        label
      )}
      {field.kind === "texts" ? (
        <TextsInput
          {...{ id, text, change }}
          label={field.label}
          placeholder={field.example && `e.g. ${field.example}`}
          isWrong={Boolean(problem)}
          describedBy={described || undefined}
        />
      ) : (
        field.kind !== "flag" && (
          <Control {...{ field, common, suggestions, recommended }} listId={`${id}-list`} />
        )
      )}
      {field.isRequired && text === "" && suggestions.length > 0 && (
        <KnownValues known={suggestions} choose={change} />
      )}
      {chosen && <p className="help strong">{chosen.label}</p>}
      {field.help && (
        <p id={`${id}-help`} className="help">
          {field.help.replaceAll("`", "")}
        </p>
      )}
      {problem && <FieldProblem id={`${id}-problem`}>{problem}</FieldProblem>}
    </div>
  );
}

const MOST_SHOWN = 6;

/** The first known values, each of which fills the input. */
function KnownValues({ known, choose }: { known: Known[]; choose: (value: string) => void }) {
  return (
    <div className="row tight known">
      {known.slice(0, MOST_SHOWN).map(({ value, label, shown = value }) => (
        <button
          key={value}
          type="button"
          className="label-chip"
          title={label}
          onClick={() => choose(value)}
        >
          {shown}
        </button>
      ))}
    </div>
  );
}

/** The text of a checkbox that is not ticked; where nothing is the default, it is none. */
function off({ fallback }: Field): string {
  return fallback === null ? "" : "false";
}

interface WasProps {
  field: Field;
  original: string;
  known: Known[];
}

/** The value of the job that is rerun. */
function Was({ field: { kind }, original, known }: WasProps) {
  if (kind === "flag") return <span className="tag">was {original === "true" ? "on" : "off"}</span>;
  const texts =
    kind === "texts"
      ? textsOf(original).map((one) => `“${one}”`)
      : [toNames(original, known, kind === "list")];
  return <span className="tag">was {texts.filter(Boolean).join(" ") || "not set"}</span>;
}

type Common = React.ComponentProps<"input"> & React.ComponentProps<"select">;

interface ControlProps {
  field: Field;
  common: object;
  suggestions: Known[];
  recommended?: string;
  listId: string;
}

function Control({ field, common, suggestions, recommended, listId }: ControlProps) {
  const shared = common as Common;
  const hint = field.example ? `e.g. ${field.example}` : "";
  if (field.kind === "choice") {
    const chosen = String(shared.value);
    const isOffered = chosen === "" || field.choices.includes(chosen);
    return (
      <select {...shared}>
        {field.fallback === null && <option value="">{field.empty ?? "default"}</option>}
        {(isOffered ? field.choices : [chosen, ...field.choices]).map((choice) => (
          <option key={choice} value={choice}>
            {choice === recommended ? `${choice} (recommended)` : choice}
          </option>
        ))}
      </select>
    );
  }
  if (field.kind === "choice-or-list") {
    return (
      <>
        <input {...shared} type="text" list={listId} placeholder={toText(field.fallback)} />
        <datalist id={listId}>
          {field.choices.map((choice) => (
            <option key={choice} value={choice} />
          ))}
        </datalist>
      </>
    );
  }
  if (field.kind === "moment") {
    return (
      <input
        {...shared}
        type="datetime-local"
        value={toLocalInput(String(shared.value))}
        onChange={({ target }) =>
          shared.onChange?.({ target: { value: fromLocalInput(target.value) } } as never)
        }
      />
    );
  }
  if (suggestions.length > 0) {
    return (
      <>
        <input {...shared} type="text" list={listId} placeholder={hint} spellCheck={false} />
        <datalist id={listId}>
          {suggestions.map(({ value, label, shown }) => (
            <option key={value} value={shown ?? value}>
              {label}
            </option>
          ))}
        </datalist>
      </>
    );
  }
  const isNumeric = ["number", "integer", "share"].includes(field.kind);
  return (
    <input
      {...shared}
      type="text"
      inputMode={isNumeric ? "decimal" : undefined}
      autoComplete="off"
      spellCheck={false}
      placeholder={hint || (isNumeric && field.fallback === null ? "default" : "")}
    />
  );
}
