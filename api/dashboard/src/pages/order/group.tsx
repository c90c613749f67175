import { type ReactNode, useEffect, useState } from "react";

interface Props {
  title: string;
  isOpen: boolean;
  /** Whether something was filled in that a closed group would hide. */
  isFilled: boolean;
  /** The same of what is wrong. */
  isWrong: boolean;
  children: ReactNode;
}

/** Some fields of the form. It opens by itself for what nobody should miss, and never closes so. */
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
