import { Warning } from "../../ui/notes.tsx";

interface SwitchProps {
  isJson: boolean;
  canShowForm: boolean;
  show: (isJson: boolean) => void;
}

/** A choice between the form and its JSON. */
export function ViewSwitch({ isJson, canShowForm, show }: SwitchProps) {
  return (
    <fieldset className="segmented">
      <legend className="unseen">View</legend>
      <label>
        <input
          type="radio"
          name="view"
          checked={!isJson}
          disabled={!canShowForm}
          onChange={() => show(false)}
        />
        <span>Form</span>
      </label>
      <label>
        <input type="radio" name="view" checked={isJson} onChange={() => show(true)} />
        <span>JSON</span>
      </label>
    </fieldset>
  );
}

interface RestProps {
  names: string[];
  remove: () => void;
}

/** Says which fields of the JSON the form does not show. */
export function Rest({ names, remove }: RestProps) {
  if (names.length === 0) return null;
  return (
    <Warning>
      <p>
        The form has no input for <strong>{names.join(", ")}</strong>: kept as in the JSON.
      </p>
      <button type="button" onClick={remove}>
        {names.length === 1 ? "Remove it" : "Remove them"}
      </button>
    </Warning>
  );
}
