import { useQuery } from "@tanstack/react-query";
import { Link, useLocation } from "wouter";
import { type DatasetDetail, datasetById, useDatasetDeletion } from "../../api/datasets.ts";
import { ProblemError } from "../../api/problem.ts";
import { bytes, count, shortId } from "../../format.ts";
import { Confirm } from "../../ui/confirm.tsx";
import { Copy } from "../../ui/copy.tsx";
import { Icon } from "../../ui/icon.tsx";
import { Empty, ErrorNote, Loading } from "../../ui/notes.tsx";
import { Scoped } from "../../ui/scoped.tsx";
import { Scroll } from "../../ui/scroll.tsx";
import { Fact, Facts, Section } from "../../ui/section.tsx";
import { StatusPill } from "../../ui/status.tsx";
import { Ago } from "../../ui/time.tsx";
import { Title } from "../../ui/title.tsx";

export function DatasetPage({ id }: { id: string }) {
  const { data, error, refetch } = useQuery(datasetById(id));
  if (data) return <DatasetView dataset={data} />;
  const isMissing = error instanceof ProblemError && error.status === 404;
  return (
    <>
      <Title text={isMissing ? "No such dataset" : "Dataset"} />
      {error === null && <Loading what="the dataset" />}
      {error !== null && !isMissing && <ErrorNote error={error} retry={refetch} />}
      {isMissing && (
        <Empty title="There is no dataset with this id">
          <p>It may have been deleted.</p>
          <Link className="button" href="/datasets">
            All datasets
          </Link>
        </Empty>
      )}
    </>
  );
}

function DatasetView({ dataset }: { dataset: DatasetDetail }) {
  const [, go] = useLocation();
  const deletion = useDatasetDeletion(dataset.id);
  return (
    <>
      <header className="job-header">
        <Title text={dataset.name || "Dataset"} />
        <p>
          <span className="mono wrap">{dataset.dataset}</span>
          <Copy text={dataset.dataset} label="Copy the value for a job" />
        </p>
        <div className="actions">
          <Link className="button primary" href={formHref(dataset)}>
            <Icon name="plus" />
            Use in a job
          </Link>
          <Scoped scope="jobs:write" to="delete this dataset">
            <Confirm
              label="Delete"
              title="Delete this dataset?"
              message="Its file is deleted permanently. Reruns and retries of jobs that used it fail."
              confirmLabel="Delete the dataset"
              cancelLabel="Keep it"
              isBusy={deletion.isPending}
              onConfirm={() => deletion.mutate(undefined, { onSuccess: () => go("/datasets") })}
            />
          </Scoped>
        </div>
        {deletion.error !== null && <ErrorNote error={deletion.error} />}
      </header>
      <Section title="About">
        <Facts>
          <Fact name="Size">{bytes(dataset.size_bytes)}</Fact>
          <Fact name="Tokens">about {count(dataset.approximate_tokens)}</Fact>
          <Fact name="Type">{dataset.media_type}</Fact>
          <Fact name="Uploaded">
            <Ago at={dataset.created_at} />
          </Fact>
          <Fact name="sha256">
            <span className="mono">{dataset.sha256.slice(0, 16)}…</span>
            <Copy text={dataset.sha256} label="Copy sha256" />
          </Fact>
        </Facts>
        <p className="faint">
          Tokens are counted as four bytes each; the estimate of a job counts those of its model.
        </p>
        {dataset.fields.length > 0 && <FieldLinks dataset={dataset} />}
      </Section>
      <Beginning lines={dataset.lines} />
      <Users jobs={dataset.jobs} />
    </>
  );
}

/** Return the address of a form that names the dataset. */
function formHref({ dataset }: DatasetDetail, text_field?: string): string {
  const query = new URLSearchParams(text_field ? { dataset, text_field } : { dataset });
  return `/new?${query}`;
}

function FieldLinks({ dataset }: { dataset: DatasetDetail }) {
  return (
    <div>
      <p>Fields of its first row; choose the one that has the text:</p>
      <ul className="labels">
        {dataset.fields.map((field) => (
          <li key={field}>
            <Link className="button small" href={formHref(dataset, field)}>
              {field}
            </Link>
          </li>
        ))}
      </ul>
    </div>
  );
}

function Beginning({ lines }: { lines: string[] }) {
  return (
    <Section title="First lines">
      {lines.length === 0 ? (
        <p className="faint">Its file is missing or empty.</p>
      ) : (
        <div className="code">
          <Scroll label="First lines">
            <pre>{lines.join("\n")}</pre>
          </Scroll>
        </div>
      )}
    </Section>
  );
}

function Users({ jobs }: { jobs: DatasetDetail["jobs"] }) {
  return (
    <Section title="Used by" aside={<span className="faint figure">{jobs.length}</span>}>
      {jobs.length === 0 && <p className="faint">None of the newest 5,000 jobs uses it.</p>}
      <ul className="workers datasets">
        {jobs.map(({ id, name, status, created_at }) => (
          <li key={id}>
            <Link className="wrap" href={`/jobs/${id}`}>
              {name || `Job ${shortId(id)}`}
            </Link>
            <div className="faint">
              <Ago at={created_at} />
            </div>
            <StatusPill status={status} />
          </li>
        ))}
      </ul>
    </Section>
  );
}
