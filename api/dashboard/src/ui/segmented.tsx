import { useId } from "react";

interface Props<T extends string> {
  label: string;
  names: Partial<Record<T, string>>;
  chosen: T;
  choose: (one: T) => void;
}

/** A choice of one of a few. */
export function Segmented<T extends string>({ label, names, chosen, choose }: Props<T>) {
  const group = useId();
  return (
    <fieldset className="segmented">
      <legend className="unseen">{label}</legend>
      {(Object.entries(names) as [T, string][]).map(([one, name]) => (
        <label key={one}>
          <input type="radio" name={group} checked={one === chosen} onChange={() => choose(one)} />
          <span>{name}</span>
        </label>
      ))}
    </fieldset>
  );
}
