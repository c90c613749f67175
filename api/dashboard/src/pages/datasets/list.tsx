import { useQuery } from "@tanstack/react-query";
import { Link } from "wouter";
import { type Builtin, datasets, type Uploaded } from "../../api/datasets.ts";
import { bytes } from "../../format.ts";
import { ErrorNote, Loading } from "../../ui/notes.tsx";
import { Section } from "../../ui/section.tsx";
import { Ago } from "../../ui/time.tsx";
import { Title } from "../../ui/title.tsx";
import { Upload } from "./upload.tsx";

export function DatasetsPage() {
  const { data, error, refetch } = useQuery(datasets);
  const uploaded = data?.filter((one) => one.kind === "uploaded") ?? [];
  const builtin = data?.filter((one) => one.kind === "builtin") ?? [];
  return (
    <>
      <Title text="Datasets" />
      <p className="lead">Texts to calibrate on, and to measure perplexity on.</p>
      <Upload />
      {error !== null && <ErrorNote error={error} retry={refetch} />}
      {data === undefined && error === null && <Loading what="datasets" />}
      {data && (
        <>
          <Section title="Uploaded" aside={<span className="faint figure">{uploaded.length}</span>}>
            {uploaded.length === 0 && <p className="faint">No dataset was uploaded yet.</p>}
            <ul className="workers datasets">
              {uploaded.map((one) => (
                <UploadedRow key={one.id} dataset={one} />
              ))}
            </ul>
          </Section>
          <Section title="Built in">
            <ul className="workers datasets">
              {builtin.map((one) => (
                <BuiltinRow key={one.dataset} dataset={one} />
              ))}
            </ul>
          </Section>
        </>
      )}
    </>
  );
}

function UploadedRow({ dataset }: { dataset: Uploaded }) {
  const name = dataset.name || dataset.id;
  return (
    <li>
      <Link className="wrap strong" href={`/datasets/${dataset.id}`}>
        {name}
      </Link>
      <div className="faint">
        {dataset.media_type}, {bytes(dataset.size_bytes)} · <Ago at={dataset.created_at} />
      </div>
      <UseLink value={dataset.dataset} name={name} />
    </li>
  );
}

function BuiltinRow({ dataset }: { dataset: Builtin }) {
  return (
    <li>
      <span className="strong">{dataset.name}</span>
      <div className="faint">{dataset.description}</div>
      <UseLink value={dataset.dataset} name={dataset.name} />
    </li>
  );
}

function UseLink({ value, name }: { value: string; name: string }) {
  const query = new URLSearchParams({ dataset: value });
  return (
    <Link className="button small" href={`/new?${query}`} aria-label={`Use in a job: ${name}`}>
      Use in a job
    </Link>
  );
}
