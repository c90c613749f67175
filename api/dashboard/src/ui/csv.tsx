import { useMutation } from "@tanstack/react-query";
import { fetchFile } from "../api/client.ts";
import { storedKey } from "../api/key.ts";
import { ErrorNote } from "./notes.tsx";
import { save } from "./save.ts";

interface Props {
  /** The name of the list in the API. */
  list: string;
  /** The filter and the order of the list, as in its query. */
  query?: Record<string, unknown>;
}

/** A button that downloads a whole list as CSV. */
export function CsvButton({ list, query = {} }: Props) {
  const { mutate, error, isPending } = useMutation({ mutationFn: () => download(list, query) });
  return (
    <>
      <button
        type="button"
        className="small"
        disabled={isPending}
        title={`Download all ${list} as CSV`}
        onClick={() => mutate()}
      >
        CSV
      </button>
      {error !== null && <ErrorNote error={error} />}
    </>
  );
}

/** How long a list is, and its CSV. */
export function ListAside({ list, length }: { list: string; length: number | undefined }) {
  if (length === undefined) return null;
  return (
    <span className="row tight">
      <span className="faint figure">{length}</span>
      {length > 0 && <CsvButton list={list} />}
    </span>
  );
}

/** A link sends no key; with one, the file is fetched first. */
async function download(list: string, query: Record<string, unknown>): Promise<void> {
  const url = csvAddress(list, query);
  const name = `${list}.csv`;
  if (storedKey() === null) return save(url, name);
  const file = URL.createObjectURL(await (await fetchFile(url)).blob());
  save(file, name);
  setTimeout(() => URL.revokeObjectURL(file), 60_000);
}

/** Return the address of a list as CSV. */
export function csvAddress(list: string, query: Record<string, unknown>): string {
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    for (const one of [value].flat()) if (one != null) params.append(name, String(one));
  }
  return `/v1/${list}.csv${params.size > 0 ? `?${params}` : ""}`;
}
