import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { Activity } from "react";
import { Route, Switch } from "wouter";
import { ProblemError } from "./api/problem.ts";
import { useLive } from "./live/index.ts";
import { AuditPage } from "./pages/audit/page.tsx";
import { ComparePage } from "./pages/compare/page.tsx";
import { JobPage } from "./pages/job/page.tsx";
import { JobsPage } from "./pages/jobs/page.tsx";
import { KeysPage } from "./pages/keys/page.tsx";
import { NotFoundPage } from "./pages/not-found.tsx";
import { SignInPage } from "./pages/sign-in.tsx";
import { NewJobPage, RerunPage } from "./pages/submit/page.tsx";
import { SweepsPage } from "./pages/sweeps/list.tsx";
import { NewSweepPage } from "./pages/sweeps/new.tsx";
import { SweepPage } from "./pages/sweeps/page.tsx";
import { WebhooksPage } from "./pages/webhooks/list.tsx";
import { WebhookPage } from "./pages/webhooks/page.tsx";
import { WorkersPage } from "./pages/workers/page.tsx";
import { Shell } from "./shell.tsx";

/** Retry network and server errors, but not refusals. */
function shouldRetry(failures: number, error: Error): boolean {
  return failures < 2 && !(error instanceof ProblemError && error.status < 500);
}

export const queries = new QueryClient({
  defaultOptions: {
    queries: {
      networkMode: "always", // a service on localhost needs no network
      retry: shouldRetry,
      staleTime: 5000,
      refetchOnWindowFocus: false, // the live connection triggers refetches
      refetchOnReconnect: false,
    },
    mutations: { networkMode: "always" },
  },
});

export function App() {
  return (
    <QueryClientProvider client={queries}>
      <Shell>
        <Pages />
      </Shell>
    </QueryClientProvider>
  );
}

/** After a sign-out, the page is hidden: it sends no requests, but keeps its inputs. */
function Pages() {
  const isSignedOut = useLive().mode === "signed-out";
  return (
    <>
      {isSignedOut && <SignInPage />}
      <Activity mode={isSignedOut ? "hidden" : "visible"}>
        <AllPages />
      </Activity>
    </>
  );
}

function AllPages() {
  return (
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
      <Route path="/keys" component={KeysPage} />
      <Route path="/audit" component={AuditPage} />
      <Route path="/webhooks" component={WebhooksPage} />
      <Route path="/webhooks/:id">{({ id }) => <WebhookPage key={id} id={id} />}</Route>
      <Route component={NotFoundPage} />
    </Switch>
  );
}
