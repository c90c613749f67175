import type { Artifact } from "../../api/client.ts";
import { bytes, moment } from "../../format.ts";
import { Code } from "../../ui/code.tsx";
import { Copy } from "../../ui/copy.tsx";
import { Icon } from "../../ui/icon.tsx";
import { ErrorNote } from "../../ui/notes.tsx";
import { useDownload, useShare, type Verification } from "./use-file.ts";

interface Props {
  file: Artifact;
  verification?: Verification;
  verify: () => void;
}

export function FileRow({ file, verification, verify }: Props) {
  const target = { artifact: file.id, url: file.url };
  const download = useDownload(target, file.name.split("/").at(-1) ?? file.name);
  const sharing = useShare(target);
  const error = download.error ?? verification?.error ?? null;
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
        <ShareButton sharing={sharing} name={file.name} isSmall />
        <button
          type="button"
          className="quiet small"
          onClick={verify}
          disabled={verification?.isBusy}
          aria-label={`Verify ${file.name}`}
        >
          {verification?.isBusy ? "Reading…" : "Verify"}
        </button>
      </div>
      <div className="file-hash">
        <span className="mono faint" title={file.sha256}>
          sha256 {file.sha256.slice(0, 16)}…
        </span>
        <Copy text={file.sha256} label={`Copy sha256 of ${file.name}`} />
        <span role="status">{verification?.message}</span>
      </div>
      {file.damage !== null && <p role="alert">Damaged: {file.damage}.</p>}
      <Shared sharing={sharing} name={file.name} />
      {error !== null && <ErrorNote error={error} />}
    </li>
  );
}

type Sharing = ReturnType<typeof useShare>;

interface ShareProps {
  sharing: Sharing;
  name: string;
  isSmall?: boolean;
}

/** A button that makes a link for people without a key. */
export function ShareButton({ sharing, name, isSmall }: ShareProps) {
  return (
    <button
      type="button"
      className={isSmall ? "quiet small" : undefined}
      onClick={() => sharing.mutate()}
      disabled={sharing.isPending}
      aria-label={`Share ${name}`}
    >
      Share
    </button>
  );
}

/** The link that was made, with its expiry. */
export function Shared({ sharing: { data, error }, name }: ShareProps) {
  return (
    <>
      {error !== null && <ErrorNote error={error} />}
      {data && (
        <div className="shared stack tight" role="status">
          <p>
            {data.isCopied ? "The link is copied. " : ""}Everyone who has it can download {name}{" "}
            until {moment(data.expires_at)}.
          </p>
          <Code text={data.address} label={`link to ${name}`} />
        </div>
      )}
    </>
  );
}
