import { useQuery } from "@tanstack/react-query";
import { Link } from "wouter";
import { jobById } from "../../api/jobs.ts";
import { catalogue } from "../../api/methods.ts";
import { modelName, shortId } from "../../format.ts";
import { ErrorNote, Loading } from "../../ui/notes.tsx";
import { Scoped } from "../../ui/scoped.tsx";
import { Title } from "../../ui/title.tsx";
import { JobForm } from "./form.tsx";

export function NewJobPage() {
  const offered = useQuery(catalogue);
  return (
    <>
      <Title text="New job" />
      {offered.isPending && <Loading what="the form" />}
      {offered.isError && <ErrorNote error={offered.error} retry={() => offered.refetch()} />}
      <Scoped scope="jobs:write" to="submit jobs">
        {offered.data && <JobForm catalogue={offered.data} />}
      </Scoped>
    </>
  );
}

export function RerunPage({ id }: { id: string }) {
  const offered = useQuery(catalogue);
  // The job as it was when the form was opened: later changes must not reset the form.
  const job = useQuery({ ...jobById(id), staleTime: Number.POSITIVE_INFINITY });
  const error = offered.error ?? job.error;
  return (
    <>
      <Title text="Rerun" />
      <p className="lead">
        Rerun of{" "}
        <Link href={`/jobs/${id}`}>
          {job.data ? job.data.name || modelName(job.data.spec.model) : shortId(id)}
        </Link>
        . Fields that you change are marked; all others stay the same.
      </p>
      {error !== null && <ErrorNote error={error} />}
      {error === null && !(offered.data && job.data) && <Loading what="the form" />}
      <Scoped scope="jobs:write" to="submit jobs">
        {offered.data && job.data && <JobForm catalogue={offered.data} parent={job.data} />}
      </Scoped>
    </>
  );
}
