import { type ComponentType, lazy, Suspense } from "react";
import { Route, Switch } from "wouter";
import { MissingCodeError } from "../ui/boundary.tsx";
import { Loading } from "../ui/notes.tsx";
import { NotFoundPage } from "./not-found.tsx";

/** Load a page's code when it is first opened. */
function page<P extends object>(load: () => Promise<ComponentType<P>>) {
  return lazy(async () => {
    const component = await load().catch(() => {
      throw new MissingCodeError();
    });
    return { default: component };
  });
}

const JobsPage = page(async () => (await import("./jobs/page.tsx")).JobsPage);
const NewJobPage = page(async () => (await import("./submit/page.tsx")).NewJobPage);
const RerunPage = page(async () => (await import("./submit/page.tsx")).RerunPage);
const JobPage = page(async () => (await import("./job/page.tsx")).JobPage);
const ComparePage = page(async () => (await import("./compare/page.tsx")).ComparePage);
const SweepsPage = page(async () => (await import("./sweeps/list.tsx")).SweepsPage);
const NewSweepPage = page(async () => (await import("./sweeps/new.tsx")).NewSweepPage);
const SweepPage = page(async () => (await import("./sweeps/page.tsx")).SweepPage);
const WorkersPage = page(async () => (await import("./workers/page.tsx")).WorkersPage);
const WeekPage = page(async () => (await import("./week/page.tsx")).WeekPage);
const DatasetsPage = page(async () => (await import("./datasets/list.tsx")).DatasetsPage);
const DatasetPage = page(async () => (await import("./datasets/page.tsx")).DatasetPage);
const TriggersPage = page(async () => (await import("./triggers/list.tsx")).TriggersPage);
const TriggerPage = page(async () => (await import("./triggers/page.tsx")).TriggerPage);
const KeysPage = page(async () => (await import("./keys/page.tsx")).KeysPage);
const SecretsPage = page(async () => (await import("./secrets/page.tsx")).SecretsPage);
const AuditPage = page(async () => (await import("./audit/page.tsx")).AuditPage);
const WebhooksPage = page(async () => (await import("./webhooks/list.tsx")).WebhooksPage);
const WebhookPage = page(async () => (await import("./webhooks/page.tsx")).WebhookPage);

export function AllPages() {
  return (
    <Suspense fallback={<Loading what="the page" />}>
      <Switch>
        <Route path="/" component={JobsPage} />
        <Route path="/new" component={NewJobPage} />
        <Route path="/jobs/:id/rerun">{({ id }) => <RerunPage key={id} id={id} />}</Route>
        <Route path="/jobs/:id">{({ id }) => <JobPage key={id} id={id} />}</Route>
        <Route path="/compare" component={ComparePage} />
        <Route path="/sweeps" component={SweepsPage} />
        <Route path="/sweeps/new" component={NewSweepPage} />
        <Route path="/sweeps/:id">{({ id }) => <SweepPage key={id} id={id} />}</Route>
        <Route path="/workers" component={WorkersPage} />
        <Route path="/week" component={WeekPage} />
        <Route path="/datasets" component={DatasetsPage} />
        <Route path="/datasets/:id">{({ id }) => <DatasetPage key={id} id={id} />}</Route>
        <Route path="/triggers" component={TriggersPage} />
        <Route path="/triggers/:id">{({ id }) => <TriggerPage key={id} id={id} />}</Route>
        <Route path="/keys" component={KeysPage} />
        <Route path="/secrets" component={SecretsPage} />
        <Route path="/audit" component={AuditPage} />
        <Route path="/webhooks" component={WebhooksPage} />
        <Route path="/webhooks/:id">{({ id }) => <WebhookPage key={id} id={id} />}</Route>
        <Route component={NotFoundPage} />
      </Switch>
    </Suspense>
  );
}
