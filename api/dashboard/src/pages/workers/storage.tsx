import { useQuery } from "@tanstack/react-query";
import { type StorageUse, storageUse } from "../../api/storage.ts";
import { bytes, count } from "../../format.ts";
import { ErrorNote, Loading } from "../../ui/notes.tsx";
import { Scroll } from "../../ui/scroll.tsx";
import { Fact, Facts, Section } from "../../ui/section.tsx";

/** The size of the files of finished jobs, by model and by label. */
export function Storage() {
  const { data, error, refetch } = useQuery(storageUse);
  return (
    <Section title="Storage">
      {error !== null && <ErrorNote error={error} retry={refetch} />}
      {data === undefined && error === null && <Loading what="the use of storage" lines={2} />}
      {data && (
        <>
          <Facts>
            <Fact name="Files of finished jobs">{bytes(data.artifact_bytes)}</Fact>
            <Fact name="Of pinned jobs">{bytes(data.pinned_bytes)}</Fact>
            {data.free_bytes !== null && <Fact name="Free">{bytes(data.free_bytes)}</Fact>}
          </Facts>
          <Uses name="Model" uses={data.models} />
          <Uses name="Label" uses={data.labels} />
        </>
      )}
    </Section>
  );
}

function Uses({ name, uses }: { name: string; uses: StorageUse["models"] }) {
  if (uses.length === 0) return null;
  return (
    <Scroll label={`Storage by ${name.toLowerCase()}`}>
      <table>
        <thead>
          <tr>
            <th scope="col">{name}</th>
            <th scope="col" className="end">
              Jobs
            </th>
            <th scope="col" className="end">
              Size
            </th>
          </tr>
        </thead>
        <tbody>
          {uses.map((one) => (
            <tr key={one.name}>
              <th scope="row" className="mono">
                {one.name}
              </th>
              <td className="end">{count(one.jobs)}</td>
              <td className="end">{bytes(one.bytes)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}
