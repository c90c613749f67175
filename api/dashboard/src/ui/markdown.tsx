/**
 * Renders the Markdown of model cards: headings, tables, lists, code, strong words and links.
 *
 * It makes elements, never HTML, so that no text of a card can become a script. Other marks stay
 * text.
 */

import type { ReactNode } from "react";
import { Code } from "./code.tsx";
import { Scroll } from "./scroll.tsx";

const FRONT_MATTER = /^---\n[\s\S]*?\n---\n/;
const INLINE = /(`[^`]+`|\*\*[^*]+\*\*|\[[^\]]+\]\(https?:\/\/[^\s)]+\))/;

type Kind = "code" | "heading" | "table" | "list" | "text";

interface Part {
  kind: Kind;
  lines: string[];
}

export function Markdown({ text, label }: { text: string; label: string }) {
  const parts = partsOf(text.replace(FRONT_MATTER, ""));
  return (
    <div className="stack tight markdown">
      {parts.map((part, at) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: a part has no other identity
        <Rendered key={at} part={part} label={label} />
      ))}
    </div>
  );
}

function partsOf(text: string): Part[] {
  const parts: Part[] = [];
  let isCode = false;
  let continues = false;
  for (const line of text.split("\n")) {
    const isFence = line.startsWith("```");
    const kind = isCode ? "code" : kindOf(line);
    if (isFence && !isCode) parts.push({ kind: "code", lines: [] });
    else if (!isFence && (isCode || line !== "")) {
      const last = parts.at(-1);
      if (last && (isCode || (continues && last.kind === kind && kind !== "heading"))) {
        last.lines.push(line);
      } else parts.push({ kind, lines: [line] });
    }
    continues = line !== "" && !isFence;
    if (isFence) isCode = !isCode;
  }
  return parts;
}

function kindOf(line: string): Kind {
  if (/^#{1,6} /.test(line)) return "heading";
  if (line.startsWith("|")) return "table";
  return line.startsWith("- ") ? "list" : "text";
}

function Rendered({ part: { kind, lines }, label }: { part: Part; label: string }) {
  const [first = ""] = lines;
  if (kind === "code") return <Code text={lines.join("\n")} label={`code of the ${label}`} />;
  if (kind === "heading") {
    return <h3>{inline(first.replace(/^#+ /, ""))}</h3>;
  }
  if (kind === "table") return <Table lines={lines} label={label} />;
  if (kind === "text") return <p>{inline(lines.join("\n"))}</p>;
  return (
    <ul className="bullets">
      {lines.map((line) => (
        <li key={line}>{inline(line.slice(2))}</li>
      ))}
    </ul>
  );
}

function Table({ lines, label }: { lines: string[]; label: string }) {
  const isRule = (line: string) => /^[|:\-\s]+$/.test(line);
  const [head = [], ...rows] = lines.filter((line) => !isRule(line)).map(cellsOf);
  return (
    <Scroll label={`Table of the ${label}`}>
      <table>
        <thead>
          <tr>
            {head.map((cell, at) =>
              at === 0 ? (
                <td key={cell} />
              ) : (
                <th key={cell} scope="col">
                  {inline(cell)}
                </th>
              ),
            )}
          </tr>
        </thead>
        <tbody>
          {rows.map(([name = "", ...cells]) => (
            <tr key={name}>
              <th scope="row">{inline(name)}</th>
              {cells.map((cell, at) => (
                // biome-ignore lint/suspicious/noArrayIndexKey: a cell is known by its column
                <td key={at}>{inline(cell)}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}

function cellsOf(line: string): string[] {
  return line
    .split("|")
    .slice(1, -1)
    .map((cell) => cell.trim());
}

function inline(text: string): ReactNode[] {
  return text.split(INLINE).map((part, at) => {
    const key = `${at} ${part}`;
    if (at % 2 === 0) return part;
    if (part.startsWith("`")) return <code key={key}>{part.slice(1, -1)}</code>;
    if (part.startsWith("**")) return <strong key={key}>{part.slice(2, -2)}</strong>;
    const [, words, address] = /^\[(.*)\]\((.*)\)$/.exec(part) ?? [];
    return (
      <a key={key} href={address} rel="noreferrer">
        {words}
      </a>
    );
  });
}
