import { Menu } from "../../../ui/menu.tsx";
import { type Shown, shownOf } from "./chosen-columns.ts";
import { COLUMNS } from "./columns.tsx";

interface Props {
  shown: Shown;
  change: (shown: Shown) => void;
}

export function ColumnMenu({ shown, change }: Props) {
  return (
    <Menu label="Columns">
      <fieldset className="column-choice">
        <legend className="unseen">Columns</legend>
        {COLUMNS.filter(({ id }) => id !== "name").map(({ id, title }) => (
          <label key={id}>
            <input
              type="checkbox"
              checked={shown[id] ?? false}
              onChange={() => change({ ...shown, [id]: !shown[id] })}
            />
            {title}
          </label>
        ))}
      </fieldset>
      <button type="button" className="quiet small" onClick={() => change(shownOf(undefined))}>
        Default columns
      </button>
    </Menu>
  );
}
