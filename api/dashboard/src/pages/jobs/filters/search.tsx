import { useEffect, useState } from "react";
import { Icon } from "../../../ui/icon.tsx";
import { useFilter } from "./filter-context.ts";

/** Searches after a pause in typing. */
export function Search() {
  const { filter, change } = useFilter();
  const [text, setText] = useState(filter.q ?? "");
  useEffect(() => setText(filter.q ?? ""), [filter.q]);
  useEffect(() => {
    if (text === (filter.q ?? "")) return;
    const timer = setTimeout(() => change({ ...filter, q: text || undefined }), 250);
    return () => clearTimeout(timer);
  }, [text, filter, change]);
  return (
    <label className="search">
      <Icon name="search" />
      <span className="unseen">Search names, models, labels and ids</span>
      <input
        type="search"
        placeholder="Search names, models, labels, ids"
        maxLength={200}
        value={text}
        onChange={(event) => setText(event.target.value)}
      />
    </label>
  );
}
