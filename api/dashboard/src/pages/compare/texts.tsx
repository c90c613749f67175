import { useQueries } from "@tanstack/react-query";
import { useState } from "react";
import { generatedTexts, jobReport } from "../../api/jobs.ts";
import { NONE } from "../../format.ts";
import { Section } from "../../ui/section.tsx";
import { Segmented } from "../../ui/segmented.tsx";
import { KINDS, type Kind, shortened } from "../job/generation.tsx";
import type { Entry } from "./entries.ts";
import { JobTable } from "./job-table.tsx";

/** The continuations of each prompt by the jobs' models, side by side. */
export function Texts({ entries: given }: { entries: Entry[] }) {
  const entries = given.filter(({ job }) => job.spec.generate);
  const [kind, setKind] = useState<Kind>("greedy");
  const reports = useQueries({ queries: entries.map(({ job }) => jobReport(job.id)) });
  const texts = reports.map(({ data }) => generatedTexts(data ?? {}));
  const prompts = [...new Set(texts.flat().map(({ prompt }) => prompt))];
  if (prompts.length === 0) return null;
  const rows = prompts.map((prompt) => {
    const found = texts.map((each) => each.find((text) => text.prompt === prompt));
    const dense = found.find((text) => text)?.dense[kind] ?? "";
    return {
      name: prompt,
      head: (
        <>
          <span className="mono wrap">{prompt}</span>
          <span className="faint delta wrap">Dense: {shortened(dense)}</span>
        </>
      ),
      cells: found.map((text, at) => (
        <td key={entries[at]?.job.id} className="wrap">
          {text ? shortened(text.pruned[kind]) : NONE}
        </td>
      )),
    };
  });
  return (
    <Section title="Generated text">
      <Segmented label="Tokens" names={KINDS} chosen={kind} choose={setKind} />
      <JobTable label="Texts of the jobs" entries={entries} rows={rows} />
    </Section>
  );
}
