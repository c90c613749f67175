import { expect, it } from "vitest";
import { makeJob } from "../../testing.ts";
import { nameOfRerun } from "./form.tsx";

it("a rerun has a name of its own, and so has the rerun of a rerun", () => {
  const after = (name: string | null) => nameOfRerun(makeJob({ name }));
  expect(["nightly", "nightly, rerun", "nightly, rerun 2", null].map(after)).toEqual([
    "nightly, rerun",
    "nightly, rerun 2",
    "nightly, rerun 3",
    "",
  ]);
});
