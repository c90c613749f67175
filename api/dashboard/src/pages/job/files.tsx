import { useQuery } from "@tanstack/react-query";
import type { Artifact, Job, Status } from "../../api/client.ts";
import { isFinal, jobArtifacts } from "../../api/jobs.ts";
import { bytes } from "../../format.ts";
import { Code } from "../../ui/code.tsx";
import { Copy } from "../../ui/copy.tsx";
import { Icon } from "../../ui/icon.tsx";
import { ErrorNote, Loading } from "../../ui/notes.tsx";
import { Section } from "../../ui/section.tsx";
import { useDownload, useVerify } from "./use-file.ts";

const MAX_LISTED = 3;

/** The files of a job, to download and to verify. */
export function Files({ job }: { job: Job }) {
  const { data = [], error, refetch, isFetching } = useQuery(jobArtifacts(job.id));
  const size = data.reduce((sum, one) => sum + one.size_bytes, 0);
  return (
    <Section title="Files" aside={data.length > 0 && <span className="faint">{bytes(size)}</span>}>
      {error !== null && <ErrorNote error={error} retry={refetch} />}
      {data.length === 0 && error === null && <None status={job.status} isFetching={isFetching} />}
      {data.length > 0 && (
        <>
          <Archive job={job} />
          <FileList files={data.filter((one) => !isShard(one))} />
          <Shards files={data.filter(isShard)} />
        </>
      )}
    </Section>
  );
}

function None({ status, isFetching }: { status: Status; isFetching: boolean }) {
  if (!isFinal(status))
    return <p className="faint">Files are available once the job has succeeded.</p>;
  if (status !== "succeeded") return <p className="faint">Only jobs that succeed have files.</p>;
  return isFetching ? (
    <Loading what="files" lines={2} />
  ) : (
    <p className="faint">There are no files.</p>
  );
}

/** Weights have about one file per block; they are rarely downloaded one by one. */
function isShard(file: Artifact): boolean {
  return file.name.endsWith(".safetensors");
}

function Shards({ files }: { files: Artifact[] }) {
  if (files.length <= MAX_LISTED) return <FileList files={files} />;
  const size = files.reduce((sum, one) => sum + one.size_bytes, 0);
  return (
    <details>
      <summary>
        {files.length} weight files, <span className="figure">{bytes(size)}</span>
      </summary>
      <FileList files={files} />
    </details>
  );
}

function FileList({ files }: { files: Artifact[] }) {
  return (
    <ul className="files">
      {files.map((one) => (
        <FileRow key={one.id} file={one} />
      ))}
    </ul>
  );
}

function Archive({ job }: { job: Job }) {
  const { start, error, isBusy } = useDownload(job.links.archive, `${job.id}.tar`);
  const resume = `zpruner download ${job.id} pruned`;
  return (
    <>
      <button type="button" onClick={start} disabled={isBusy}>
        <Icon name="download" />
        Download all (tar)
      </button>
      {error !== null && <ErrorNote error={error} />}
      <p className="faint">
        For large models, use the command line: it resumes interrupted downloads and verifies every
        file.
      </p>
      <Code text={`ZPRUNER_URL=${location.origin} ${resume}`} label="download command" />
    </>
  );
}

function FileRow({ file }: { file: Artifact }) {
  const download = useDownload(file.url, file.name.split("/").at(-1) ?? file.name);
  const verify = useVerify(file);
  const error = download.error ?? verify.error;
  return (
    <li>
      <div className="file-name mono">{file.name}</div>
      <span className="faint figure">{bytes(file.size_bytes)}</span>
      <div className="row tight">
        <button
          type="button"
          className="small"
          onClick={download.start}
          disabled={download.isBusy}
          aria-label={`Download ${file.name}`}
        >
          <Icon name="download" />
          Download
        </button>
        <button
          type="button"
          className="quiet small"
          onClick={verify.start}
          disabled={verify.isBusy}
          aria-label={`Verify ${file.name}`}
        >
          {verify.isBusy ? "Reading…" : "Verify"}
        </button>
      </div>
      <div className="file-hash">
        <span className="mono faint" title={file.sha256}>
          sha256 {file.sha256.slice(0, 16)}…
        </span>
        <Copy text={file.sha256} label={`Copy sha256 of ${file.name}`} />
        <span role="status">{verify.result}</span>
      </div>
      {file.damage !== null && <p role="alert">Damaged: {file.damage}.</p>}
      {error !== null && <ErrorNote error={error} />}
    </li>
  );
}
