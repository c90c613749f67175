import { useQuery } from "@tanstack/react-query";
import { Link } from "wouter";
import { datasets, models } from "../../api/datasets.ts";
import { modelName } from "../../format.ts";
import { CommandTabs } from "../../ui/code.tsx";
import { Icon } from "../../ui/icon.tsx";
import { Empty } from "../../ui/notes.tsx";

const HUB_MODEL = "HuggingFaceTB/SmolLM2-135M-Instruct";
/** The text that every machine has. */
const LOCAL_TEXT = "stdlib-docs";
/** Half of the weights, in a way and on so little text that a small model takes minutes. */
const TRY = { sparsity: 0.5, preset: "fast", samples: 16, seq_len: 512, eval_samples: 32 };
const MOST_SHOWN = 5;

/** Shown while there are no jobs. */
export function FirstSteps() {
  const found = useQuery(models).data ?? [];
  const texts = useQuery(datasets).data ?? [];
  const local = found.filter(({ kind }) => kind === "local").map(({ model }) => model);
  const [model = HUB_MODEL] = local;
  const hasText = texts.some(({ dataset }) => dataset === LOCAL_TEXT);
  const dataset = hasText || local.length > 0 ? LOCAL_TEXT : "wikitext2";
  return (
    <Empty title="No jobs yet">
      <p>
        A job makes a language model smaller or sparser, and measures what that costs. It needs a
        model, a text like those that the model will read, and how much to remove.
      </p>
      <p>
        <Link className="button primary" href="/new">
          <Icon name="plus" />
          New job
        </Link>
      </p>
      {local.length > 0 && (
        <>
          <p>Or try a model of this machine, on a text that needs no download:</p>
          <ul className="plain">
            {local.slice(0, MOST_SHOWN).map((one) => (
              <li key={one}>
                <Link href={`/new?${tryOf(one, dataset)}`}>
                  Fill in the form for {modelName(one)}
                </Link>
              </li>
            ))}
          </ul>
        </>
      )}
      <p>The same as a command:</p>
      <CommandTabs body={{ model, dataset, ...TRY }} />
    </Empty>
  );
}

function tryOf(model: string, dataset: string): string {
  const texts = Object.entries({ model, dataset, ...TRY }).map(([name, one]) => [
    name,
    String(one),
  ]);
  return new URLSearchParams(texts).toString();
}
