import { useQuery } from "@tanstack/react-query";
import type { Artifact, Job, Status } from "../../api/client.ts";
import { isFinal, jobArtifacts } from "../../api/jobs.ts";
import { useMay } from "../../api/keys.ts";
import { bytes } from "../../format.ts";
import { Code } from "../../ui/code.tsx";
import { Icon } from "../../ui/icon.tsx";
import { ErrorNote, Loading } from "../../ui/notes.tsx";
import { Scoped } from "../../ui/scoped.tsx";
import { Section } from "../../ui/section.tsx";
import { Ago } from "../../ui/time.tsx";
import { FileRow, ShareButton, Shared } from "./file-row.tsx";
import { summaryOf, useDownload, useShare, useVerification } from "./use-file.ts";

const MAX_LISTED = 3;

type Verifying = ReturnType<typeof useVerification>;

/** The files of a job, to download, to share and to verify. */
export function Files({ job }: { job: Job }) {
  const may = useMay("artifacts:read");
  if (may) return <AllFiles job={job} />;
  return (
    <Section title="Files">
      <Scoped scope="artifacts:read" to="list and download files">
        {null}
      </Scoped>
    </Section>
  );
}

function AllFiles({ job }: { job: Job }) {
  const { data = [], error, refetch, isFetching } = useQuery(jobArtifacts(job.id));
  const verifying = useVerification();
  const stored = data.filter((one) => one.deleted_at === null);
  const deleted = data.filter((one) => one.deleted_at !== null);
  const [first] = deleted;
  return (
    <Section
      title="Files"
      aside={data.length > 0 && <span className="faint">{bytes(sizeOf(stored))}</span>}
    >
      {error !== null && <ErrorNote error={error} retry={refetch} />}
      {data.length === 0 && error === null && <None status={job.status} isFetching={isFetching} />}
      {data.length > 0 && (
        <>
          {first ? (
            <Deleted first={first} files={deleted} />
          ) : (
            <Archive job={job} files={stored} verifying={verifying} />
          )}
          <FileList files={stored.filter((one) => !isShard(one))} verifying={verifying} />
          <Shards files={stored.filter(isShard)} verifying={verifying} />
        </>
      )}
    </Section>
  );
}

function sizeOf(files: Artifact[]): number {
  return files.reduce((sum, one) => sum + one.size_bytes, 0);
}

/** Which rule deleted files, and when. */
function Deleted({ first, files }: { first: Artifact; files: Artifact[] }) {
  return (
    <p>
      The retention rule <span className="mono">{first.deleted_by}</span> deleted {files.length}{" "}
      {files.length === 1 ? "file" : "files"} ({bytes(sizeOf(files))}){" "}
      {first.deleted_at && <Ago at={first.deleted_at} />}. To get them again, rerun the job.
    </p>
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

interface ListProps {
  files: Artifact[];
  verifying: Verifying;
}

function Shards({ files, verifying }: ListProps) {
  if (files.length <= MAX_LISTED) return <FileList files={files} verifying={verifying} />;
  return (
    <details>
      <summary>
        {files.length} weight files, <span className="figure">{bytes(sizeOf(files))}</span>
      </summary>
      <FileList files={files} verifying={verifying} />
    </details>
  );
}

function FileList({ files, verifying }: ListProps) {
  return (
    <ul className="files">
      {files.map((one) => (
        <FileRow
          key={one.id}
          file={one}
          verification={verifying.of(one)}
          verify={() => verifying.verify(one)}
        />
      ))}
    </ul>
  );
}

function Archive({ job, files, verifying }: ListProps & { job: Job }) {
  const target = { job: job.id, url: job.links.archive };
  const { start, error, isBusy } = useDownload(target, `${job.id}.tar`);
  const sharing = useShare(target);
  const resume = `zpruner download ${job.id} pruned`;
  const known = files.flatMap((one) => verifying.of(one) ?? []);
  return (
    <>
      <div className="row tight">
        <button type="button" onClick={start} disabled={isBusy}>
          <Icon name="download" />
          Download all (tar)
        </button>
        <ShareButton sharing={sharing} name="all files" />
        <button
          type="button"
          className="quiet"
          disabled={known.some((one) => one.isBusy)}
          onClick={() => verifying.verifyAll(files)}
        >
          Verify all
        </button>
        <span role="status">{summaryOf(known, files.length)}</span>
      </div>
      <Shared sharing={sharing} name="all files" />
      <Compressed job={job} />
      {error !== null && <ErrorNote error={error} />}
      <p className="faint">
        For large models, use the command line: it resumes interrupted downloads and verifies every
        file.
      </p>
      <Code text={`ZPRUNER_URL=${location.origin} ${resume}`} label="download command" />
    </>
  );
}

/** All files in fewer bytes. */
function Compressed({ job }: { job: Job }) {
  const target = { job: job.id, url: job.links.archive, format: "zstd" as const };
  const { start, error, isBusy } = useDownload(target, `${job.id}.tar.zst`);
  return (
    <>
      <div className="row tight">
        <button type="button" onClick={start} disabled={isBusy}>
          <Icon name="download" />
          Download compressed (tar.zst)
        </button>
        <span className="faint">
          The same files in fewer bytes; <span className="mono">tar xf</span> reads it.
        </span>
      </div>
      {error !== null && <ErrorNote error={error} />}
    </>
  );
}
