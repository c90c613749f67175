import { Link } from "wouter";
import { CommandTabs } from "../../ui/code.tsx";
import { Icon } from "../../ui/icon.tsx";
import { Empty } from "../../ui/notes.tsx";

const FIRST = {
  model: "HuggingFaceTB/SmolLM2-135M-Instruct",
  sparsity: 0.5,
  dataset: "wikitext2",
};

/** There is no job at all yet. */
export function FirstSteps() {
  return (
    <Empty title="No jobs yet">
      <p>
        A job takes a model, a sparsity and a text, and gives back a pruned model and its numbers.
        Fill in the form, or paste one of these.
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
