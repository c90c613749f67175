import { useMutation } from "@tanstack/react-query";
import { type Artifact, fetchFile } from "../../api/client.ts";
import { storedKey } from "../../api/key.ts";

/** A browser keeps what it hashes in memory. */
const MOST_VERIFIED = 256 * 1024 * 1024;

/** Download a file: by the browser itself, or, where a key must come along, through this page. */
export function useDownload(url: string, name: string) {
  const { mutate, error, isPending } = useMutation({
    mutationFn: async () => {
      if (storedKey() === null) return save(url, name);
      const blob = await (await fetchFile(url)).blob();
      const address = URL.createObjectURL(blob);
      save(address, name);
      URL.revokeObjectURL(address);
    },
  });
  return { start: () => mutate(), error, isBusy: isPending };
}

function save(href: string, name: string): void {
  const link = document.createElement("a");
  link.href = href;
  link.download = name;
  link.click();
}

/** Read a file once more and compare its hash with the one the job has noted. */
export function useVerify(file: Artifact) {
  const { mutate, error, isPending, data } = useMutation({ mutationFn: () => compared(file) });
  return { start: () => mutate(), error, isBusy: isPending, said: data ?? "" };
}

async function compared(file: Artifact): Promise<string> {
  if (!("subtle" in crypto))
    return "Only over HTTPS or on this machine: the browser hashes nothing here";
  if (file.size_bytes > MOST_VERIFIED) return "Too large for a browser: use the command above";
  const bytes = await (await fetchFile(file.url)).arrayBuffer();
  const hash = hex(await crypto.subtle.digest("SHA-256", bytes));
  return hash === file.sha256 ? "✓ sha256 matches" : `✗ sha256 differs: the service sent ${hash}`;
}

function hex(bytes: ArrayBuffer): string {
  return Array.from(new Uint8Array(bytes), (one) => one.toString(16).padStart(2, "0")).join("");
}
