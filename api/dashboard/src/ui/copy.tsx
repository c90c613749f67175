import { useEffect, useState } from "react";
import { Icon } from "./icon.tsx";

/** A button that copies, and says whether it did. */
export function Copy({ text, label }: { text: string; label: string }) {
  const [said, say] = useState<"" | "copied" | "denied">("");
  useEffect(() => {
    if (said === "") return;
    const timer = setTimeout(() => say(""), 2000);
    return () => clearTimeout(timer);
  }, [said]);
  const copy = () =>
    writeText(text).then(
      () => say("copied"),
      () => say("denied"),
    );
  return (
    <button type="button" className="quiet small" onClick={copy} aria-label={label} title={label}>
      <Icon name={said === "copied" ? "check" : "copy"} />
      <span role="status">
        {said === "copied" && "Copied"}
        {said === "denied" && "Select it by hand: the browser denies copying"}
      </span>
    </button>
  );
}

/** Browsers give a clipboard to HTTPS and to this machine only. */
async function writeText(text: string): Promise<void> {
  if (!("clipboard" in navigator)) throw new Error("There is no clipboard here.");
  await navigator.clipboard.writeText(text);
}
