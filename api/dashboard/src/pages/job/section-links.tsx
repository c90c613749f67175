import { type RefObject, useEffect, useState } from "react";
import { idOf } from "../../ui/section.tsx";

const LEAST = 4;

/** Links to the sections that the page has at the moment. */
export function SectionLinks({ within }: { within: RefObject<HTMLElement | null> }) {
  const [titles, setTitles] = useState("");
  useEffect(() => {
    const box = within.current;
    if (box === null) return;
    const read = () =>
      setTitles(
        [...box.querySelectorAll("section.card > header > h2")]
          .map((heading) => heading.textContent)
          .join("\n"),
      );
    read();
    const observer = new MutationObserver(read);
    observer.observe(box, { childList: true, subtree: true });
    return () => observer.disconnect();
  }, [within]);
  const all = titles.split("\n");
  if (all.length < LEAST) return null;
  return (
    <nav className="section-links" aria-label="Sections">
      {all.map((title) => (
        <a key={title} href={`#${idOf(title)}`}>
          {title}
        </a>
      ))}
    </nav>
  );
}
