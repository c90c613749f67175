import { type FormEvent, useState } from "react";
import { TextField } from "../../../ui/field.tsx";
import { Menu } from "../../../ui/menu.tsx";
import { namesOf, type Shown, shownOf } from "../table/chosen-columns.ts";
import { BUILT_IN, savedViews, type View, withoutView, withView } from "./views.ts";

interface Props {
  search: string;
  open: (search: string) => void;
  shown: Shown;
  changeColumns: (shown: Shown) => void;
}

/** Opens, saves and deletes views. */
export function ViewMenu({ search, open, shown, changeColumns }: Props) {
  const [saved, setSaved] = useState(savedViews);
  const [name, setName] = useState("");
  const current = [...saved, ...BUILT_IN].find((view) => view.search === search);
  const choose = (view: View) => {
    if (view.columns) changeColumns(shownOf(view.columns));
    open(view.search);
  };
  const save = (event: FormEvent) => {
    event.preventDefault();
    if (!name.trim()) return;
    setSaved(withView(saved, { name: name.trim(), search, columns: namesOf(shown) }));
    setName("");
  };
  return (
    <Menu label={`View: ${current?.name ?? "not saved"}`}>
      <ul className="views" aria-label="Views">
        {[...BUILT_IN, ...saved].map((view) => (
          <li key={`${view.name} ${view.search}`}>
            <button
              type="button"
              className="quiet small"
              aria-current={view === current ? "true" : undefined}
              onClick={() => choose(view)}
            >
              {view.name}
            </button>
            {saved.includes(view) && (
              <button
                type="button"
                className="quiet small"
                aria-label={`Delete view ${view.name}`}
                onClick={() => setSaved(withoutView(saved, view.name))}
              >
                ×
              </button>
            )}
          </li>
        ))}
      </ul>
      <form onSubmit={save} className="stack tight">
        <TextField
          label="Save filters, order and columns as"
          maxLength={60}
          value={name}
          change={setName}
        />
        <button type="submit" className="small">
          Save view
        </button>
      </form>
    </Menu>
  );
}
