import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { Route, Switch } from "wouter";
import { ProblemError } from "./api/problem.ts";
import { useLive } from "./live/index.ts";
import { ComparePage } from "./pages/compare/page.tsx";
import { JobPage } from "./pages/job/page.tsx";
import { JobsPage } from "./pages/jobs/page.tsx";
import { NotFoundPage } from "./pages/not-found.tsx";
import { NewJobPage, RerunPage } from "./pages/order/page.tsx";
import { SignInPage } from "./pages/sign-in.tsx";
import { Shell } from "./shell.tsx";

/** A refusal stays one; an answer that did not come may come the next time. */
function isWorthATry(failures: number, error: Error): boolean {
  return failures < 2 && !(error instanceof ProblemError && error.status < 500);
}

export const queries = new QueryClient({
  defaultOptions: {
    queries: {
      networkMode: "always", // this machine answers without a network, too
      retry: isWorthATry,
      staleTime: 5000,
      refetchOnWindowFocus: false, // the live line says when to ask again
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

function Pages() {
  if (useLive().mode === "signed-out") return <SignInPage />;
  return (
    <Switch>
      <Route path="/" component={JobsPage} />
      <Route path="/new" component={NewJobPage} />
      <Route path="/jobs/:id/rerun">{({ id }) => <RerunPage key={id} id={id} />}</Route>
      <Route path="/jobs/:id">{({ id }) => <JobPage key={id} id={id} />}</Route>
      <Route path="/compare" component={ComparePage} />
      <Route component={NotFoundPage} />
    </Switch>
  );
}
