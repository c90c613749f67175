import { type ReactNode, useEffect, useState } from "react";

interface Props {
  title: string;
  isOpen: boolean;
  /** Whether a field is filled in, which a closed group would hide. */
  isFilled: boolean;
  /** Whether a field has a problem, which a closed group would hide. */
  isWrong: boolean;
  children: ReactNode;
}

/** A group of fields; it opens by itself to show values and problems, but never closes by itself. */
export function FieldGroup({ title, isOpen, isFilled, isWrong, children }: Props) {
  const [shows, show] = useState(isOpen);
  useEffect(() => {
    if (isFilled || isWrong) show(true);
  }, [isFilled, isWrong]);
  return (
    <details
      className="card group"
      open={shows}
      onToggle={({ currentTarget }) => show(currentTarget.open)}
    >
      <summary>
        <h2>{title}</h2>
      </summary>
      {children}
    </details>
  );
}
