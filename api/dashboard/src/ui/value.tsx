import { useQuery } from "@tanstack/react-query";
import { Fragment, type ReactNode } from "react";
import { Link } from "wouter";
import { datasets } from "../api/datasets.ts";
import { modelName, NONE } from "../format.ts";
import { TEXTS } from "../spec/texts.ts";
import { inWords } from "../spec/words.ts";

/** The value of a job's field; texts are shown one by one, and uploads and jobs by their names. */
export function Value({ name, value }: { name: string; value: unknown }): ReactNode {
  const several = Array.isArray(value) ? value : [value];
  if (TEXTS.has(name) && value != null) return <Texts texts={several.map(String)} />;
  if (!several.some((one) => REFERENCE.test(String(one)))) {
    return inWords(name, value) || NONE;
  }
  return several.map((one, at) => (
    <Fragment key={String(one)}>
      {at > 0 && ", "}
      <Reference text={String(one)} />
    </Fragment>
  ));
}

const REFERENCE = /^(uploaded|job):/;

/** A link to an uploaded dataset or to the job whose result is meant; other names as they are. */
export function Reference({ text }: { text: string }) {
  const [, kind] = REFERENCE.exec(text) ?? [];
  const { data = [] } = useQuery({ ...datasets, enabled: kind === "uploaded" });
  if (kind === undefined) return text;
  const id = text.slice(kind.length + 1);
  if (kind === "job") return <Link href={`/jobs/${id}`}>{modelName(text)}</Link>;
  const name = data.find(({ dataset }) => dataset === text)?.name;
  return (
    <Link href={`/datasets/${id}`} title={text}>
      {name || `upload ${id.slice(-8)}`}
    </Link>
  );
}

/** Texts, of which one can see where each ends. */
export function Texts({ texts }: { texts: string[] }) {
  return (
    <ol className="texts">
      {texts.map((text) => (
        <li key={text}>{text}</li>
      ))}
    </ol>
  );
}
