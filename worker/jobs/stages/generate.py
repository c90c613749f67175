"""The texts of a job: what the dense and the pruned model make of the same prompts."""

from collections.abc import Generator
from dataclasses import asdict, dataclass
from typing import Any, Self

import torch
from torch import Tensor

from db.core.errors import SpecRefusedError
from db.core.states import Phase
from db.spec.descriptions.option import UNFIT
from db.spec.options.generate import PROMPTS
from worker.evaluation.generation import continuation, end_tokens, whole_model
from worker.jobs.opened_job import OpenedJob
from worker.jobs.progress import JobProgress
from worker.jobs.stages.stage import SHORT, Measured, Stage, WrittenModel
from worker.jobs.windows import position_limit
from worker.pruning.model.meta_model import MetaModel
from worker.sources.tokenizer import load_tokenizer

TOKENS = 48


@dataclass(frozen=True)
class Continuations:
    """One model's continuations of a prompt: the most likely tokens, and tokens drawn by a seed."""

    greedy: str
    sampled: str


@dataclass(frozen=True)
class GenerateStage(Stage):
    """The prompts of a job, encoded.

    Attributes:
        job: the job.
        tokenizer: the model's tokenizer.
        prompts: the token ids ``[n]`` of each prompt, by its text.
    """

    part = "generation"
    share = SHORT
    whole_model = ("generate to false", "generating text")
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
        for prompt, ids in encoded.items():
            if not 0 < len(ids) <= room:
                reason = f"it has {len(ids)} tokens, and the model can continue 1 to {room}"
                raise SpecRefusedError("prompts", prompt, UNFIT, reason, "Change the prompt.")
        return cls(job, tokenizer, encoded)

    def measure(
        self, model: WrittenModel, start: float, end: float
    ) -> Generator[JobProgress, None, Measured]:
        """Have both models continue each prompt; yield progress after each prompt."""
        folder, dtype = self.job.model.path, self.job.meta_model.dtype
        texts: dict[str, list[Continuations]] = {}
        models = {"dense": (folder, folder), "pruned": (model.config, model.folder)}
        for number, (name, (config, weights)) in enumerate(models.items()):
            meta_model = MetaModel.open(config, dtype, self.job.devices[0], weights=weights)
            texts[name] = []
            with whole_model(meta_model) as loaded:
                for ids in self.prompts.values():
                    texts[name].append(self._continue(loaded, ids))
                    done = number + len(texts[name]) / len(self.prompts)
                    yield JobProgress(Phase.evaluating, start + (end - start) * done / 2)
        pairs = zip(self.prompts, texts["dense"], texts["pruned"], strict=True)
        rows = [
            {"prompt": prompt, "dense": asdict(dense), "pruned": asdict(pruned)}
            for prompt, dense, pruned in pairs
        ]
        return Measured({}, rows)

    def _continue(self, model: Any, ids: Tensor) -> Continuations:
        ends = end_tokens(model)
        drawn = torch.Generator().manual_seed(self.job.spec.seed)
        greedy = continuation(model, ids, TOKENS, ends)
        sampled = continuation(model, ids, TOKENS, ends, drawn)
        return Continuations(self.tokenizer.decode(greedy), self.tokenizer.decode(sampled))
