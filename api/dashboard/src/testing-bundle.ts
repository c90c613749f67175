/**
 * Makes happy-dom one file before the tests. Each test file of a page imports it anew, and its six
 * hundred modules take several times as long.
 */

import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { build } from "vite";
import { BUNDLE } from "./testing-window";

export async function setup(): Promise<void> {
  await build({
    configFile: false,
    logLevel: "silent",
    publicDir: false,
    build: {
      ssr: createRequire(import.meta.url).resolve("happy-dom"),
      outDir: fileURLToPath(new URL(".", BUNDLE)),
      emptyOutDir: true,
      target: "node20",
      rolldownOptions: { output: { entryFileNames: "happy-dom.mjs", codeSplitting: false } },
    },
    ssr: { noExternal: true },
  });
}
