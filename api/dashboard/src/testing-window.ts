/** The environment of tests of pages: vitest's own for happy-dom, but from one file. */

import { type Environment, populateGlobal } from "vitest/runtime";

export const BUNDLE = new URL("../node_modules/.happy-dom/happy-dom.mjs", import.meta.url);

/** What Node has of its own, and a page has of its window. */
const REPLACED = [
  ...["Request", "Response", "MessagePort", "fetch", "Headers"],
  ...["AbortController", "AbortSignal", "URL", "URLSearchParams", "FormData"],
];

const environment: Environment = {
  name: "one-file",
  viteEnvironment: "client",
  async setup(global) {
    const { GlobalWindow } = await import(/* @vite-ignore */ BUNDLE.href);
    const window = new GlobalWindow({
      console: global.console,
      url: "http://localhost:3000",
      settings: { disableErrorCapturing: true },
    });
    const { keys, originals } = populateGlobal(global, window, {
      bindFunctions: true,
      additionalKeys: REPLACED,
    });
    return {
      async teardown() {
        await window.happyDOM.abort();
        window.close();
        for (const key of keys) delete global[key];
        for (const [key, original] of originals) global[key] = original;
      },
    };
  },
};

export default environment;
