import type { ReactNode } from "react";
import { type KeyScope, useMay } from "../api/keys.ts";

interface Props {
  scope: KeyScope;
  /** What the scope permits, as in "submit jobs". */
  to: string;
  children: ReactNode;
}

/** Shows its children to callers with a scope, and to others the scope that they lack. */
export function Scoped({ scope, to, children }: Props) {
  const may = useMay(scope);
  if (may === undefined) return null;
  if (may) return children;
  return (
    <p className="faint">
      Your key lacks the scope <code className="mono">{scope}</code>, which is needed to {to}.
    </p>
  );
}
