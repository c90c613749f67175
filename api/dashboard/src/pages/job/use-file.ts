import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { type Artifact, fetchFile } from "../../api/client.ts";
import { downloadUrl, linkTo, SHARED_S, type Target } from "../../api/files.ts";
import { copyText } from "../../ui/copy.tsx";
import { save } from "../../ui/save.ts";

/** Browsers hash only what fits into memory. */
const MAX_VERIFIED_BYTES = 256 * 1024 * 1024;

/** Let the browser download a file: it streams to the disk, whatever its size. */
export function useDownload(target: Target, name: string) {
  const { mutate, error, isPending } = useMutation({
    mutationFn: async () => save(await downloadUrl(target), name),
  });
  return { start: () => mutate(), error, isBusy: isPending };
}

/** Create a link for people without a key, and copy it where the browser allows that. */
export function useShare(target: Target) {
  return useMutation({
    mutationFn: async () => {
      const { url, expires_at } = await linkTo(target, SHARED_S);
      const address = new URL(url, location.origin).href;
      const isCopied = await copyText(address).then(
        () => true,
        () => false,
      );
      return { address, expires_at, isCopied };
    },
  });
}

export type Outcome = "same" | "different" | "unknown";

export interface Verification {
  isBusy: boolean;
  outcome?: Outcome;
  message: string;
  error: unknown;
}

const WAITING: Verification = { isBusy: true, message: "", error: null };

/** Download files again, one after the other, and compare their hashes with the job's. */
export function useVerification() {
  const [known, setKnown] = useState<Record<string, Verification>>({});
  const note = (id: string, one: Verification) => setKnown((old) => ({ ...old, [id]: one }));
  const verify = async (file: Artifact) => {
    note(file.id, WAITING);
    note(file.id, await verified(file));
  };
  const verifyAll = async (files: Artifact[]) => {
    for (const file of files) await verify(file);
  };
  return { of: (file: Artifact) => known[file.id], verify, verifyAll, known };
}

async function verified(file: Artifact): Promise<Verification> {
  const result = { isBusy: false, error: null };
  const unknown = (message: string) => ({ ...result, outcome: "unknown" as const, message });
  if (!("subtle" in crypto))
    return unknown("Browsers can verify files only over HTTPS or on localhost");
  if (file.size_bytes > MAX_VERIFIED_BYTES)
    return unknown("Too large to verify in a browser: use the command above");
  try {
    const bytes = await (await fetchFile(file.url)).arrayBuffer();
    const hash = hex(await crypto.subtle.digest("SHA-256", bytes));
    if (hash === file.sha256) return { ...result, outcome: "same", message: "✓ sha256 matches" };
    const message = `✗ sha256 differs: the downloaded file has ${hash}`;
    return { ...result, outcome: "different", message };
  } catch (error) {
    return { ...result, outcome: "unknown", message: "", error };
  }
}

/** Summarize the outcomes of several files; empty until one of them is known. */
export function summaryOf(known: Verification[], total: number): string {
  const count = (outcome: Outcome) => known.filter((one) => one.outcome === outcome).length;
  const [same, different, unknown] = [count("same"), count("different"), count("unknown")];
  if (known.some(({ isBusy }) => isBusy)) return `Reading file ${known.length} of ${total}…`;
  if (known.length < 2) return "";
  return [
    `${same === total ? "✓ " : ""}${same} of ${total} files match`,
    different > 0 && `✗ ${different} ${different === 1 ? "differs" : "differ"}`,
    unknown > 0 && `${unknown} not verified`,
  ]
    .filter(Boolean)
    .join(", ");
}

function hex(bytes: ArrayBuffer): string {
  return Array.from(new Uint8Array(bytes), (one) => one.toString(16).padStart(2, "0")).join("");
}
