import { IsRestoringProvider, QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { ProblemError } from "./api/problem.ts";
import { useLive } from "./live/index.ts";
import { live } from "./live/state.ts";
import { AllPages } from "./pages/routes.tsx";
import { SignInPage } from "./pages/sign-in.tsx";
import { Shell } from "./shell.tsx";

/** Retry network and server errors, but not refusals, nor while the connection is probed anyway. */
function shouldRetry(failures: number, error: Error): boolean {
  if (live.get().mode === "offline") return false;
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

/** After a sign-out, the page is hidden: its queries are suspended, but it keeps its inputs. */
function Pages() {
  const isSignedOut = useLive().mode === "signed-out";
  return (
    <>
      {isSignedOut && <SignInPage />}
      <IsRestoringProvider value={isSignedOut}>
        <div className="pages" hidden={isSignedOut}>
          <AllPages />
        </div>
      </IsRestoringProvider>
    </>
  );
}
