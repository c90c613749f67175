/** What is done with the model of a finished job, without scrolling to its files. */

import type { Job } from "../../api/client.ts";
import { useMay } from "../../api/keys.ts";
import { Code } from "../../ui/code.tsx";
import { Icon } from "../../ui/icon.tsx";
import { ErrorNote } from "../../ui/notes.tsx";
import { idOf, Section } from "../../ui/section.tsx";
import { ShareButton, Shared } from "./file-row.tsx";
import { useDownload, useShare } from "./use-file.ts";
import { useHasFiles } from "./use-has-files.ts";

const USE = "Use this model";
const PYTHON = `from transformers import AutoModelForCausalLM, AutoTokenizer

model = AutoModelForCausalLM.from_pretrained("pruned")
tokenizer = AutoTokenizer.from_pretrained("pruned")`;

/** Whether a job has files that this caller may read. */
function useHasModel(job: Job): boolean {
  const hasFiles = useHasFiles(job);
  return useMay("artifacts:read") === true && hasFiles;
}

export function ModelActions({ job }: { job: Job }) {
  const target = { job: job.id, url: job.links.archive };
  const { start, error, isBusy } = useDownload(target, `${job.id}.tar`);
  const sharing = useShare(target);
  if (!useHasModel(job)) return null;
  return (
    <>
      <div className="actions">
        <button type="button" className="primary" onClick={start} disabled={isBusy}>
          <Icon name="download" />
          Download
        </button>
        <ShareButton sharing={sharing} name="all files" />
        <a className="button" href={`#${idOf(USE)}`}>
          {USE}
        </a>
      </div>
      <Shared sharing={sharing} name="all files" />
      {error !== null && <ErrorNote error={error} />}
    </>
  );
}

/** How the model is loaded. */
export function UseModel({ job }: { job: Job }) {
  if (!useHasModel(job)) return null;
  const command = `ZPRUNER_URL=${location.origin} zpruner download ${job.id} pruned`;
  return (
    <Section title={USE}>
      <Code text={command} label="command that downloads the model" />
      <Code text={PYTHON} label="Python that loads the model" />
    </Section>
  );
}
