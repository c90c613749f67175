import { type DragEvent, useId, useState } from "react";
import { useLocation } from "wouter";
import { useUpload } from "../../api/datasets.ts";
import { percent } from "../../format.ts";
import { ErrorNote } from "../../ui/notes.tsx";
import { Scoped } from "../../ui/scoped.tsx";
import { Section } from "../../ui/section.tsx";

export function Upload() {
  return (
    <Section title="Upload">
      <Scoped scope="jobs:write" to="upload datasets">
        <DropArea />
      </Scoped>
    </Section>
  );
}

/** Uploads a file as soon as it is chosen or dropped, then shows the dataset, if still open. */
function DropArea() {
  const [, go] = useLocation();
  const id = useId();
  const [isOver, over] = useState(false);
  const { mutate, variables, share, error, isPending } = useUpload();
  const take = (files: FileList | null) => {
    const [file] = files ?? [];
    if (file && !isPending) mutate(file, { onSuccess: (made) => go(`/datasets/${made.id}`) });
  };
  const drop = (event: DragEvent) => {
    event.preventDefault();
    over(false);
    take(event.dataTransfer.files);
  };
  const hover = (event: DragEvent) => {
    event.preventDefault();
    over(true);
  };
  return (
    <>
      {/* biome-ignore lint/a11y/noStaticElementInteractions: the input inside does the same */}
      <div
        className={isOver ? "drop is-over" : "drop"}
        onDragOver={hover}
        onDragLeave={() => over(false)}
        onDrop={drop}
      >
        <label htmlFor={id}>Text file (.txt, .jsonl or .csv)</label>
        <input
          id={id}
          type="file"
          accept=".txt,.md,.jsonl,.ndjson,.json,.csv"
          disabled={isPending}
          onChange={({ target }) => take(target.files)}
        />
        <p className="help">
          Choose a file or drop it here. Rows of JSONL and CSV have a field with text, or chat
          messages.
        </p>
      </div>
      {isPending && (
        <div role="status">
          <progress className="bar is-running" max={1} value={share} aria-label="Upload" />
          {share < 1
            ? `${percent(share, 0)} of ${variables?.name} sent`
            : `${variables?.name} is sent; the service checks it`}
        </div>
      )}
      {error !== null && <ErrorNote error={error} />}
    </>
  );
}
