import { Link } from "wouter";
import { CommandTabs } from "../../ui/code.tsx";
import { Icon } from "../../ui/icon.tsx";
import { Empty } from "../../ui/notes.tsx";

const FIRST = {
  model: "HuggingFaceTB/SmolLM2-135M-Instruct",
  sparsity: 0.5,
  dataset: "wikitext2",
};

/** Shown while there are no jobs. */
export function FirstSteps() {
  return (
    <Empty title="No jobs yet">
      <p>
        A job prunes a model to a sparsity, with a dataset for calibration, and measures the result.
        Fill in the form, or run one of these commands.
      </p>
      <p>
        <Link className="button primary" href="/new">
          <Icon name="plus" />
          New job
        </Link>
      </p>
      <CommandTabs body={FIRST} />
    </Empty>
  );
}
