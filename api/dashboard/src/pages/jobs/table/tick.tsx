import { useEffect, useRef } from "react";

interface Props {
  name: string;
  /** How many of the jobs are selected. */
  count: number;
  of: number;
  choose: (isSelected: boolean, isRange: boolean) => void;
}

/** A checkbox for one or several jobs. */
export function Tick({ name, count, of, choose }: Props) {
  const box = useRef<HTMLInputElement>(null);
  const isAll = of > 0 && count === of;
  useEffect(() => {
    if (box.current) box.current.indeterminate = count > 0 && !isAll;
  }, [count, isAll]);
  return (
    <label className="tick" title={name}>
      <input
        ref={box}
        type="checkbox"
        checked={isAll}
        onClick={({ currentTarget, shiftKey }) => choose(currentTarget.checked, shiftKey)}
      />
      <span className="unseen">{name}</span>
    </label>
  );
}
