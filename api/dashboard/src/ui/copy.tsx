import { useEffect, useState } from "react";
import { Icon } from "./icon.tsx";

const WORDS = {
  copied: "Copied",
  denied: "Select it by hand: the browser denies copying",
};

/** A button that copies, and says whether it did. */
export function Copy({ text, label }: { text: string; label: string }) {
  const [said, say] = useState<"" | keyof typeof WORDS>("");
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
    <>
      <button type="button" className="quiet small" onClick={copy} aria-label={label} title={label}>
        <Icon name={said === "copied" ? "check" : "copy"} />
        {said && <span>{WORDS[said]}</span>}
      </button>
      {/* What stands in a button is not announced. */}
      <span className="unseen" role="status">
        {said && WORDS[said]}
      </span>
    </>
  );
}

/** Browsers give a clipboard to HTTPS and to this machine only. */
async function writeText(text: string): Promise<void> {
  if (!("clipboard" in navigator)) throw new Error("There is no clipboard here.");
  await navigator.clipboard.writeText(text);
}
