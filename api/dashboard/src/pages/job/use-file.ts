import { useMutation } from "@tanstack/react-query";
import { type Artifact, fetchFile } from "../../api/client.ts";
import { storedKey } from "../../api/key.ts";

/** Browsers hash only what fits into memory. */
const MAX_VERIFIED_BYTES = 256 * 1024 * 1024;

/** Download a file; with an API key, fetch it in this page to send the key. */
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

/** Download a file again and compare its hash with the job's. */
export function useVerify(file: Artifact) {
  const { mutate, error, isPending, data } = useMutation({ mutationFn: () => verified(file) });
  return { start: () => mutate(), error, isBusy: isPending, result: data ?? "" };
}

async function verified(file: Artifact): Promise<string> {
  if (!("subtle" in crypto)) return "Browsers can verify files only over HTTPS or on localhost";
  if (file.size_bytes > MAX_VERIFIED_BYTES)
    return "Too large to verify in a browser: use the command above";
  const bytes = await (await fetchFile(file.url)).arrayBuffer();
  const hash = hex(await crypto.subtle.digest("SHA-256", bytes));
  return hash === file.sha256
    ? "✓ sha256 matches"
    : `✗ sha256 differs: the downloaded file has ${hash}`;
}

function hex(bytes: ArrayBuffer): string {
  return Array.from(new Uint8Array(bytes), (one) => one.toString(16).padStart(2, "0")).join("");
}
