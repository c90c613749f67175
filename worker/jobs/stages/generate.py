"""The texts of a job: what the dense and the pruned model make of the same prompts."""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor

from db.core.errors import SpecRefusedError
from db.core.states import Phase
from db.spec.descriptions.option import UNFIT
from db.spec.options.generate import ESTIMATE, PROMPTS
from worker.evaluation.generation import (
    drawn_by,
    end_tokens,
    generated,
    most_likely,
    runnable_model,
)
from worker.evaluation.generation_metrics import GeneratedText, generation_estimates
from worker.jobs.opened_job import OpenedJob
from worker.jobs.progress import JobProgress, stops_at
from worker.jobs.stages.stage import SHORT, Measured, Stage, WrittenModel
from worker.jobs.windows import position_limit
from worker.pruning.model.meta_model import MetaModel
from worker.sources.tokenizer import load_tokenizer

TOKENS = 48
DRAWN = 8
"""How many texts are drawn for each prompt."""


@dataclass(frozen=True)
class Continuations:
    """One model's continuations of a prompt: the most likely tokens, and texts that are drawn."""

    greedy: GeneratedText
    drawn: tuple[GeneratedText, ...]


@dataclass(frozen=True)
class GenerateStage(Stage):
    """The prompts of a job, encoded.

    Attributes:
        tokenizer: the model's tokenizer.
        prompts: the token ids ``[n]`` of each prompt, by its text.
    """

    part = "generation"
    share = SHORT
    job: OpenedJob
    tokenizer: Any
    prompts: dict[str, Tensor]

    @classmethod
    def open(cls, job: OpenedJob) -> Self | None:
        """Encode the prompts.

        Raises:
            SpecRefusedError: the model has no tokenizer, or a prompt is too long for it.
        """
        if not job.spec.generate:
            return None
        if (tokenizer := load_tokenizer(job.model.path, job.model.name)) is None:
            reason = "the model has no tokenizer"
            raise SpecRefusedError("generate", True, UNFIT, reason, "Leave generate out.")
        prompts = job.spec.prompts or PROMPTS
        encoded = {prompt: torch.tensor(tokenizer(prompt)["input_ids"]) for prompt in prompts}
        room = position_limit(job.meta_model) - TOKENS
        if room < 1:
            reason = f"the model has {room + TOKENS} positions, and {TOKENS} tokens are written"
            raise SpecRefusedError("generate", True, UNFIT, reason, "Leave generate out.")
        for prompt, ids in encoded.items():
            if not 0 < len(ids) <= room:
                reason = f"it has {len(ids)} tokens, and the model can continue 1 to {room}"
                raise SpecRefusedError("prompts", prompt, UNFIT, reason, "Change the prompt.")
        return cls(job, tokenizer, encoded)

    def measure(
        self, model: WrittenModel, start: float, end: float
    ) -> Generator[JobProgress, None, Measured]:
        """Have both models continue each prompt; yield progress after each token."""
        folder, dtype = self.job.model.path, self.job.meta_model.dtype
        texts: dict[str, list[Continuations]] = {}
        models = {"dense": (folder, folder), "pruned": (model.config, model.folder)}
        for number, (name, (config, weights)) in enumerate(models.items()):
            meta_model = MetaModel.open(config, dtype, self.job.devices[0], weights=weights)
            texts[name] = []
            with runnable_model(meta_model, self.job.budget_of_a_process) as loaded:
                for ids in self.prompts.values():
                    done = number + len(texts[name]) / len(self.prompts)
                    fraction = start + (end - start) * done / 2
                    steps = stops_at(fraction, Phase.evaluating, self._continued(loaded, ids))
                    texts[name].append((yield from steps))
        return Measured(_metrics(texts), self._rows(texts))

    def _continued(self, model: Any, ids: Tensor) -> Generator[int, None, Continuations]:
        """Continue a prompt in several rows at once; yield the number of tokens after each."""
        ends = end_tokens(model)
        draw = drawn_by(torch.Generator().manual_seed(self.job.spec.seed))

        def choose(logits: Tensor) -> Tensor:
            return torch.cat([most_likely(logits[:1]), draw(logits[1:])])

        rows: list[list[int]] = [[] for _ in range(1 + DRAWN)]
        for chosen in generated(model, ids.expand(len(rows), -1), TOKENS, choose):
            for row, token in zip(rows, chosen.tolist(), strict=True):
                row.append(token)
            yield len(rows[0])
            if all(not ends.isdisjoint(row) for row in rows):
                break
        greedy, *drawn = (GeneratedText.of(row, ends) for row in rows)
        return Continuations(greedy, tuple(drawn))

    def _rows(self, texts: Mapping[str, Sequence[Continuations]]) -> list[dict[str, Any]]:
        """Return the texts of each prompt: the most likely one, and the first that was drawn."""
        rows: list[dict[str, Any]] = [{"prompt": prompt} for prompt in self.prompts]
        for name, of_model in texts.items():
            for row, each in zip(rows, of_model, strict=True):
                shown = {"greedy": each.greedy, "sampled": each.drawn[0]}
                row[name] = {
                    kind: self.tokenizer.decode(text.tokens) for kind, text in shown.items()
                }
        return rows


def _metrics(texts: Mapping[str, Sequence[Continuations]]) -> dict[str, Any]:
    """Return the figures of the drawn texts of both models, and their standard errors."""
    estimates = {
        f"{prefix}{name}": estimate
        for model, prefix in (("dense", "dense_"), ("pruned", ""))
        for name, estimate in generation_estimates([each.drawn for each in texts[model]]).items()
    }
    count = sum(len(each.drawn) for each in texts["pruned"])
    values = {name: estimate.value for name, estimate in estimates.items()}
    errors = {name: estimate.stderr for name, estimate in estimates.items()}
    return {ESTIMATE: values | {"texts": count}, f"{ESTIMATE}_stderr": errors}
