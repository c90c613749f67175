import { useInfiniteQuery } from "@tanstack/react-query";
import { Link } from "wouter";
import { useMay } from "../../api/keys.ts";
import { type SweepSummary, sweepList } from "../../api/sweeps.ts";
import { modelName, shortId } from "../../format.ts";
import { CsvButton } from "../../ui/csv.tsx";
import { Icon } from "../../ui/icon.tsx";
import { Empty, ErrorNote, Loading } from "../../ui/notes.tsx";
import { Older } from "../../ui/older.tsx";
import { Scoped } from "../../ui/scoped.tsx";
import { Ago } from "../../ui/time.tsx";
import { Title } from "../../ui/title.tsx";
import { Counts } from "./counts.tsx";

export function SweepsPage() {
  const list = useInfiniteQuery(sweepList);
  const maySubmit = useMay("jobs:write") === true;
  const sweeps = list.data?.pages.flatMap((page) => page.data) ?? [];
  return (
    <>
      <header className="row spread">
        <Title text="Sweeps" />
        <div className="row">
          {sweeps.length > 0 && <CsvButton list="sweeps" />}
          <Scoped scope="jobs:write" to="submit sweeps">
            <Link className="button" href="/sweeps/new">
              <Icon name="plus" />
              New sweep
            </Link>
          </Scoped>
        </div>
      </header>
      {list.isPending && <Loading what="sweeps" />}
      {list.isError && <ErrorNote error={list.error} retry={() => list.refetch()} />}
      {list.isSuccess && sweeps.length === 0 && (
        <Empty title="No sweeps yet">
          <p>
            A sweep runs one job for every combination of a few values, such as sparsities, methods
            and patterns, and shows the best trade-offs of sparsity and perplexity.
          </p>
          {maySubmit && (
            <Link className="button primary" href="/sweeps/new">
              <Icon name="plus" />
              New sweep
            </Link>
          )}
        </Empty>
      )}
      {sweeps.length > 0 && (
        <ul className="workers boxed">
          {sweeps.map((sweep) => (
            <SweepRow key={sweep.id} sweep={sweep} />
          ))}
        </ul>
      )}
      <Older list={list} />
    </>
  );
}

function SweepRow({ sweep }: { sweep: SweepSummary }) {
  return (
    <li>
      <div>
        <Link href={`/sweeps/${sweep.id}`}>{sweep.name || `Sweep ${shortId(sweep.id)}`}</Link>
        <div className="faint wrap">
          {sweep.model && `${modelName(sweep.model)} · `}created <Ago at={sweep.created_at} />
        </div>
      </div>
      <div>{sweep.total} points</div>
      <Counts counts={sweep.counts} />
    </li>
  );
}
