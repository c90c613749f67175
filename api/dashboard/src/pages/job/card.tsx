import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { fetchFile, type Job } from "../../api/client.ts";
import { jobArtifacts } from "../../api/jobs.ts";
import { useMay } from "../../api/keys.ts";
import { Markdown } from "../../ui/markdown.tsx";
import { ErrorNote, Loading } from "../../ui/notes.tsx";
import { Section } from "../../ui/section.tsx";

const NAME = "README.md";

/** The model card of a job's result; it is read only when it is opened, as that is a download. */
export function ModelCard({ job }: { job: Job }) {
  const may = useMay("artifacts:read") === true;
  const enabled = may && job.status === "succeeded";
  const { data = [] } = useQuery({ ...jobArtifacts(job.id), enabled });
  const file = data.find(({ name, deleted_at }) => name === NAME && deleted_at === null);
  const [isOpen, open] = useState(false);
  if (!enabled || !file) return null;
  return (
    <Section title="Model card">
      <details open={isOpen} onToggle={({ currentTarget }) => open(currentTarget.open)}>
        <summary>What was done to the model, in words</summary>
        {isOpen && <Card url={file.url} />}
      </details>
    </Section>
  );
}

function Card({ url }: { url: string }) {
  const { data, error, refetch } = useQuery({
    queryKey: ["file", url],
    queryFn: async ({ signal }) => (await fetchFile(url, signal)).text(),
    staleTime: Number.POSITIVE_INFINITY,
  });
  if (error !== null) return <ErrorNote error={error} retry={refetch} />;
  return data === undefined ? (
    <Loading what="the model card" />
  ) : (
    <Markdown text={data} label="model card" />
  );
}
