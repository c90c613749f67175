import { type ReactNode, useRef } from "react";

interface Props {
  label: string;
  children: ReactNode;
}

/** A button that shows a panel until the focus leaves it, or Escape is pressed. */
export function Menu({ label, children }: Props) {
  const menu = useRef<HTMLDetailsElement>(null);
  const close = () => {
    if (menu.current) menu.current.open = false;
  };
  return (
    <details
      ref={menu}
      className="menu"
      onBlur={({ relatedTarget }) => {
        if (relatedTarget && !menu.current?.contains(relatedTarget)) close();
      }}
      onKeyDown={({ key }) => {
        if (key !== "Escape") return;
        close();
        menu.current?.querySelector("summary")?.focus();
      }}
    >
      <summary className="button">{label}</summary>
      <div className="panel">{children}</div>
    </details>
  );
}
