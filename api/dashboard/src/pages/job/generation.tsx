import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import type { Job } from "../../api/client.ts";
import { type GeneratedText, generatedTexts, jobReport } from "../../api/jobs.ts";
import { ErrorNote } from "../../ui/notes.tsx";
import { Section } from "../../ui/section.tsx";
import { Segmented } from "../../ui/segmented.tsx";

export const KINDS = { greedy: "Most likely", sampled: "Drawn" } as const;
export type Kind = keyof typeof KINDS;

/** The continuations of the same prompts by the dense and by the pruned model. */
export function Generation({ job }: { job: Job }) {
  return job.spec.generate && job.status === "succeeded" ? <Texts id={job.id} /> : null;
}

function Texts({ id }: { id: string }) {
  const { data, error, refetch } = useQuery(jobReport(id));
  const [kind, setKind] = useState<Kind>("greedy");
  return (
    <Section title="Generated text">
      {error !== null && <ErrorNote error={error} retry={refetch} />}
      <Segmented label="Tokens" names={KINDS} chosen={kind} choose={setKind} />
      {generatedTexts(data ?? {}).map((text) => (
        <Prompt key={text.prompt} text={text} kind={kind} />
      ))}
    </Section>
  );
}

function Prompt({ text, kind }: { text: GeneratedText; kind: Kind }) {
  return (
    <figure className="generated">
      <figcaption className="mono wrap">{text.prompt}</figcaption>
      <dl>
        <dt>Dense</dt>
        <dd className="wrap">{shortened(text.dense[kind])}</dd>
        <dt>Pruned</dt>
        <dd className="wrap">{shortened(text.pruned[kind])}</dd>
      </dl>
    </figure>
  );
}

/** Write more than two line breaks in a row as their number: damaged models repeat them. */
export function shortened(text: string): string {
  return text.replace(/\n{3,}/g, (breaks) => `\n[${breaks.length} line breaks]\n`);
}
