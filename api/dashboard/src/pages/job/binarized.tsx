import type { Job } from "../../api/client.ts";
import { number } from "../../api/jobs.ts";
import { bytes, figure } from "../../format.ts";
import { Fact, Facts, Section } from "../../ui/section.tsx";

/** How many bits the binarised weights of a finished job would take. */
export function Binarized({ job }: { job: Job }) {
  const measured = job.result?.binarization as Record<string, unknown> | undefined;
  if (!measured) return null;
  const bits = (name: string) => figure(number(measured[`${name}bits_per_weight`]));
  return (
    <Section title="Binarised weights">
      <Facts>
        <Fact name="Kept of eight">{figure(number(measured.kept))}</Fact>
        <Fact name="Bits per weight">{bits("")}</Fact>
        <Fact name="Of these, the mask">{bits("mask_")}</Fact>
        <Fact name="Signs">{bits("sign_")}</Fact>
        <Fact name="Second signs">{bits("second_sign_")}</Fact>
        <Fact name="Values">{bits("scale_")}</Fact>
        <Fact name="All weight files">{bytes(number(job.result?.weights_bytes))}</Fact>
      </Facts>
      <p className="faint">
        The bits are those of a format that would store only these parts. The files have ordinary
        weights, so they are as large as the dense ones, and the model is not faster.
      </p>
    </Section>
  );
}
