import { useEffect, useState } from "react";
import { Icon } from "./icon.tsx";

const LABELS = {
  copied: "Copied",
  denied: "The browser denied copying. Select the text instead.",
};

/** A button that copies a text and shows the result. */
export function Copy({ text, label }: { text: string; label: string }) {
  const [result, setResult] = useState<"" | keyof typeof LABELS>("");
  useEffect(() => {
    if (result === "") return;
    const timer = setTimeout(() => setResult(""), 2000);
    return () => clearTimeout(timer);
  }, [result]);
  const copy = () =>
    copyText(text).then(
      () => setResult("copied"),
      () => setResult("denied"),
    );
  return (
    <>
      <button type="button" className="quiet small" onClick={copy} aria-label={label} title={label}>
        <Icon name={result === "copied" ? "check" : "copy"} />
        {result && <span>{LABELS[result]}</span>}
      </button>
      {/* Screen readers do not announce changes inside a button. */}
      <span className="unseen" role="status">
        {result && LABELS[result]}
      </span>
    </>
  );
}

/** Browsers provide a clipboard only over HTTPS and on localhost. */
export async function copyText(text: string): Promise<void> {
  if (!("clipboard" in navigator)) throw new Error("There is no clipboard.");
  await navigator.clipboard.writeText(text);
}
