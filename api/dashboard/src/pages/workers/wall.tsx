import { useQuery } from "@tanstack/react-query";
import { useDrain, workerHistories, workers } from "../../api/workers.ts";
import { Code } from "../../ui/code.tsx";
import { ListAside } from "../../ui/csv.tsx";
import { Empty, ErrorNote, Loading } from "../../ui/notes.tsx";
import { Section } from "../../ui/section.tsx";
import { WorkerCard } from "./card.tsx";

export function Workers() {
  const { data, dataUpdatedAt, error, refetch } = useQuery(workers);
  const { data: histories } = useQuery(workerHistories);
  const drain = useDrain();
  return (
    <Section title="Workers" aside={<ListAside list="workers" length={data?.length} />}>
      {(error ?? drain.error) !== null && (
        <ErrorNote error={error ?? drain.error} retry={error ? refetch : undefined} />
      )}
      {data === undefined && error === null && <Loading what="workers" lines={3} />}
      {data?.length === 0 && (
        <Empty title="No workers">
          <p>
            Jobs wait until a worker starts. On a machine with a GPU and the same settings, run:
          </p>
          <Code text="zpruner part worker -Q gpu" label="worker command" />
        </Empty>
      )}
      <ul className="wall" aria-label="Workers">
        {data?.map((one) => (
          <WorkerCard
            key={one.id}
            worker={one}
            points={histories?.get(one.name) ?? []}
            fetchedAt={dataUpdatedAt}
            drain={() => drain.mutate(one)}
          />
        ))}
      </ul>
    </Section>
  );
}
