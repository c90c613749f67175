"""The smaller vocabulary of a job: tokens leave the tokenizer, the embedding and the head."""

import json
from collections.abc import Generator, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import torch

from db.core.states import Phase
from worker.evaluation.text_bits import bits_per_byte, encoded_text, shortened_text
from worker.jobs.opened_job import OpenedJob
from worker.jobs.progress import JobProgress, stops_at
from worker.jobs.smaller_vocabulary import SmallerVocabulary, model_rows
from worker.jobs.stages.stage import SHORT, Measured, Stage, WrittenModel
from worker.jobs.windows import position_limit
from worker.pruning.base.names import ROTATED_FOLDER, SMALLER_FOLDER
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.model.shards import Measure, Shard
from worker.pruning.structure.smaller_config import CONFIG
from worker.sources.tokenizer import load_tokenizer
from worker.vocabulary.model_rows import ModelRows, write_config
from worker.vocabulary.record import RECORD, write_record
from worker.vocabulary.token_ids import renumbered
from worker.vocabulary.tokenizer_files import write_tokenizer

MEASURED_WINDOWS = 8
"""How many windows of the evaluation text the bits per byte are measured on at most."""
_GENERATION = "generation_config.json"
_SCRATCH = ".cut"


@dataclass(frozen=True)
class VocabularyStage(Stage):
    """The tokens that stay, and the rows of the model that belong to tokens.

    Attributes:
        vocabulary: the tokens that stay.
    """

    part = "vocabulary"
    share = SHORT
    reads_result = True
    rewrites = True
    job: OpenedJob
    vocabulary: SmallerVocabulary
    rows: ModelRows

    @classmethod
    def open(cls, job: OpenedJob) -> Self | None:
        """Find the rows.

        Raises:
            SpecRefusedError: the embedding or the head is built in a way that cannot be cut.
        """
        if job.vocabulary is None or (asked := job.spec.vocabulary) is None:
            return None
        return cls(job, job.vocabulary, model_rows(asked, job.meta_model))

    def rewrite(
        self, source: Path, out: Path, measure: Measure, fraction: float
    ) -> Generator[JobProgress, None, list[Shard]]:
        """Write the weights without the rows of the tokens that go; progress after each file."""
        scratch = source / _SCRATCH
        scratch.mkdir(exist_ok=True)
        steps = self.rows.write(source, self.vocabulary.kept, out, scratch, measure)
        return (yield from stops_at(fraction, Phase.packaging, steps))

    def complete(self, out: Path) -> tuple[str, ...]:
        """Write the configs and the tokenizer, and which tokens stayed."""
        model, kept = self.job.model.path, self.vocabulary.kept
        # Not from `out`, where an interrupted run may have written one with new numbers.
        folders = (out / SMALLER_FOLDER, out / ROTATED_FOLDER, model)
        config = next(file for folder in folders if (file := folder / CONFIG).is_file())
        write_config(config, out, self.job.meta_model, kept, self.rows.count)
        names = [CONFIG, RECORD]
        if (generation := model / _GENERATION).is_file():
            content = renumbered(json.loads(generation.read_text("utf-8")), self.vocabulary.numbers)
            (out / _GENERATION).write_text(json.dumps(content, indent=2) + "\n", "utf-8")
            names.append(_GENERATION)
        write_record(model, out, kept, self._tokenizer(model))
        tokens, numbers = self.vocabulary.tokens, self.vocabulary.numbers
        return (*names, *write_tokenizer(model, out, tokens, numbers))

    def measure(
        self, model: WrittenModel, start: float, end: float
    ) -> Generator[JobProgress, None, Measured]:
        """Measure both models on the same text, each in its own tokens."""
        folders = {"dense_bits_per_byte": self.job.model.path, "bits_per_byte": model.folder}
        dense, small = (self._tokenizer(folder) for folder in folders.values())
        limit = position_limit(self.job.meta_model)
        windows = self.job.windows.evaluation.ids[:MEASURED_WINDOWS]
        texts = [shortened_text(small, dense.decode(ids), limit) for ids in windows]
        bits, lengths = dict[str, float](), list[int]()
        for tokenizer, (name, folder) in zip((dense, small), folders.items(), strict=True):
            yield JobProgress(Phase.evaluating, start + (end - start) * len(bits) / 2)
            encoded = [encoded_text(tokenizer, text) for text in texts]
            lengths.append(sum(text.ids.numel() for text in encoded))
            dtype, device = self.job.meta_model.dtype, self.job.devices[0]
            opened = MetaModel.open(folder, dtype, device, weights=folder)
            bits[name] = bits_per_byte(opened, encoded)
        own = {
            **self._sizes(),
            **self._lost(),
            **bits,
            "text_growth": lengths[1] / lengths[0],
            "measured_bytes": sum(len(text.encode()) for text in texts),
        }
        removed = own["parameters_removed"] + sum(one.parameters_removed for one in model.blocks)
        left = sum(self.job.meta_model.checkpoint.counts.values()) - removed
        totals = {"parameters": left, "parameters_removed": removed}
        return Measured({self.part: own} | totals, dict(self.vocabulary.text))

    def _tokenizer(self, folder: Path) -> Any:
        return load_tokenizer(folder, self.job.model.name)

    def _lost(self) -> dict[str, float]:
        """Return how many tokens of the evaluation text are no longer in the vocabulary."""
        windows = self.job.windows.evaluation.ids
        lost = int((~torch.isin(windows, torch.tensor(self.vocabulary.kept))).sum())
        return {"lost_tokens": lost, "lost_share": lost / windows.numel()}

    def _sizes(self) -> dict[str, int]:
        """Return the numbers of tokens with a row, and of the parameters that went."""
        rows = self.rows
        left = sum(token < rows.count for token in self.vocabulary.kept)
        removed = (rows.count - left) * rows.parameters_of_row
        return {"tokens": left, "tokens_before": rows.count, "parameters_removed": removed}

    @staticmethod
    def card(part: Any, measured: Any) -> Iterable[str]:
        yield (
            f"{measured['tokens']:,} of {measured['tokens_before']:,} tokens kept in "
            f"tokenizer, embedding and head: those that `{part['dataset']}` uses, and those that "
            "they need; their logits are unchanged"
        )
        yield (
            f"of the evaluation text {100 * measured['lost_share']:.2f} % of the tokens went, and "
            "are written in shorter ones; in its own tokens the model needs "
            f"{measured['bits_per_byte']:.4f} bits per byte, and the dense one "
            f"{measured['dense_bits_per_byte']:.4f}"
        )
