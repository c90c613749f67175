import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import type { Plugin } from "vite";
import { defineConfig } from "vitest/config";

/** Compress the assets once, so that the service need not do it for every request. */
function compressed(): Plugin {
  return {
    name: "compressed",
    apply: "build",
    async writeBundle({ dir = "dist" }) {
      const assets = join(dir, "assets");
      for (const name of await readdir(assets)) {
        const path = join(assets, name);
        await writeFile(`${path}.gz`, gzipSync(await readFile(path), { level: 9 }));
      }
    },
  };
}

export default defineConfig({
  plugins: [compressed()],
  // React has this hook since 18; the shim for older ones is no ES module and needs a runtime.
  resolve: { alias: { "use-sync-external-store/shim/index.js": "react" } },
  build: {
    // The policy of the page forbids inline scripts and data: sources, so nothing is inlined.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rolldownOptions: {
      output: {
        codeSplitting: {
          // Small files compress badly: pages that are seldom opened are one, and so is what
          // several pages share.
          groups: [
            {
              name: "service",
              test: /src\/pages\/(audit|datasets|keys|secrets|triggers|webhooks|week|workers)\//,
            },
            {
              name: "shared",
              test: /node_modules|src\/(api|live|spec|ui)\/|src\/(format|storage)\.ts/,
              minShareCount: 2,
            },
          ],
          includeDependenciesRecursively: false,
        },
      },
      onLog(level, log, report) {
        // Libraries mark modules with "use client", which means nothing here.
        if (log.code !== "MODULE_LEVEL_DIRECTIVE") report(level, log);
      },
    },
  },
  test: {
    projects: [
      {
        extends: true,
        test: {
          name: "pages",
          include: ["src/**/*.test.tsx"],
          environment: "./src/testing-window.ts",
          globalSetup: "src/testing-bundle.ts",
        },
      },
      // Tests of modules without a page leave nothing behind, so they share one environment.
      { extends: true, test: { name: "modules", include: ["src/**/*.test.ts"], isolate: false } },
    ],
    pool: "threads",
    setupFiles: ["src/testing-service.ts"],
    // A busy machine may take many times as long as the default allows.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    expect: { poll: { timeout: 20_000 } },
  },
});
