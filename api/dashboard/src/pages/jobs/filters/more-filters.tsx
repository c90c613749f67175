import { type FormEvent, useId, useState } from "react";
import type { Job } from "../../../api/client.ts";
import { shortId } from "../../../format.ts";
import { Menu } from "../../../ui/menu.tsx";
import { withLabel } from "./filter.ts";
import { useFilter } from "./filter-context.ts";

type Field = "model" | "label" | "created_by" | "sweep";

const FIELDS: { field: Field; label: string; hint: string; of: (job: Job) => string[] }[] = [
  { field: "model", label: "Model", hint: "org/model", of: (job) => [job.spec.model] },
  {
    field: "label",
    label: "Label",
    hint: "team=search",
    of: (job) => Object.entries(job.labels).map(([name, value]) => `${name}=${value}`),
  },
  { field: "created_by", label: "Submitter", hint: "key_…", of: (job) => [job.created_by ?? ""] },
  { field: "sweep", label: "Sweep", hint: "swp_…", of: (job) => [job.sweep_id ?? ""] },
];

/** Filters by values, which the jobs of the list suggest. */
export function MoreFilters({ jobs }: { jobs: Job[] }) {
  return (
    <Menu label="More filters">
      {FIELDS.map((one) => (
        <ValueFilter key={one.field} {...one} known={[...new Set(jobs.flatMap(one.of))]} />
      ))}
    </Menu>
  );
}

interface Props {
  field: Field;
  label: string;
  hint: string;
  known: string[];
}

function ValueFilter({ field, label, hint, known }: Props) {
  const { filter, change } = useFilter();
  const [text, setText] = useState("");
  const id = useId();
  const apply = (event: FormEvent) => {
    event.preventDefault();
    const value = text.trim();
    if (!value) return;
    if (field !== "label") change({ ...filter, [field]: value });
    else change({ ...filter, label: withLabel(filter.label, value.replace(/[=:]/, ":")) });
    setText("");
  };
  return (
    <form className="field" onSubmit={apply}>
      <label htmlFor={id}>{label}</label>
      <span className="row tight one-line">
        <input
          id={id}
          list={`${id}-known`}
          placeholder={hint}
          value={text}
          onChange={({ target }) => setText(target.value)}
        />
        <button type="submit" className="small">
          Add
        </button>
      </span>
      <datalist id={`${id}-known`}>
        {known.filter(Boolean).map((value) => (
          <option key={value} value={value} />
        ))}
      </datalist>
    </form>
  );
}

/** The filters by values that are in effect, each with a button that removes it. */
export function Removable() {
  const { filter, change } = useFilter();
  const single = (["model", "created_by", "sweep", "output"] as const).flatMap((field) => {
    const value = filter[field];
    return value ? [{ text: `${field} ${short(value)}`, without: { [field]: undefined } }] : [];
  });
  const labels = filter.label.map((label) => ({
    text: label.replace(":", "="),
    without: { label: filter.label.filter((one) => one !== label) },
  }));
  return [...labels, ...single].map(({ text, without }) => (
    <button
      key={text}
      type="button"
      className="label-chip is-removable"
      aria-label={`Remove filter ${text}`}
      onClick={() => change({ ...filter, ...without })}
    >
      {text} ×
    </button>
  ));
}

function short(value: string): string {
  return /^(key|swp)_[0-9a-f]{32}$/.test(value) ? shortId(value) : value;
}
