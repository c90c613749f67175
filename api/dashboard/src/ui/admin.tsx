import { useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { me } from "../api/keys.ts";
import { ErrorNote, Loading } from "./notes.tsx";

/** Shows its children to callers with the scope admin, and a message to others. */
export function AdminOnly({ what, children }: { what: string; children: ReactNode }) {
  const { data, error, refetch } = useQuery(me);
  if (data?.scopes.includes("admin")) return children;
  if (data) return <p className="lead">Only a key with the scope admin can see {what}.</p>;
  return error === null ? (
    <Loading what="your account" lines={2} />
  ) : (
    <ErrorNote error={error} retry={refetch} />
  );
}
