"""The texts of a job, on which the pruned model's predictions are compared with the dense one's."""

from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

import torch

from db.core.states import Phase
from worker import evaluation
from worker.evaluation.distance import WindowDistance, window_distances
from worker.evaluation.perplexity import token_loss
from worker.jobs.opened_job import OpenedJob
from worker.jobs.progress import JobProgress
from worker.jobs.stages.stage import SHORT, Measured, Stage, WrittenModel
from worker.jobs.stages.texts.measured import ComparedText, text_metrics
from worker.jobs.stages.texts.reading import read_texts
from worker.pruning.base.generators import mapped
from worker.pruning.distributed.ranks import SINGLE_PROCESS
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.sweep.fingerprint import code_digest, ids_digest, model_parts
from worker.pruning.sweep.measurement.measurement_cache import MeasurementCache
from worker.sources.windows import Windows


@dataclass(frozen=True)
class TextsStage(Stage):
    """Compares the dense and the pruned model on the evaluation texts of a job.

    Attributes:
        texts: the encoded windows of each text, by its name.
    """

    part = "texts"
    share = SHORT
    job: OpenedJob
    texts: dict[str, Windows]

    @classmethod
    def open(cls, job: OpenedJob) -> Self | None:
        """Read the texts.

        Raises:
            SpecRefusedError: a text cannot be used or is too small, or recovery trains on it.
        """
        return cls(job, read_texts(job))

    def measure(
        self, model: WrittenModel, start: float, end: float
    ) -> Generator[JobProgress, None, Measured]:
        """Run both models on the texts; yield progress after each block of each.

        A text is not measured again if the sweep has measured it, or an interrupted attempt has on
        the same weights.
        """
        found = dict[str, list[WindowDistance]]()
        if model.distances:
            found[next(iter(self.texts))] = [WindowDistance(*row) for row in model.distances]
        if left := {name: text for name, text in self.texts.items() if name not in found}:
            found |= yield from self._run(left, model, start, end)
        compared = {name: ComparedText(found[name]) for name in self.texts}
        return Measured(text_metrics(compared), [self._row(*each) for each in compared.items()])

    def _row(self, name: str, compared: ComparedText) -> dict[str, Any]:
        text = self.texts[name]
        facts = {"overlap": self.job.windows.overlap(text), "protocol": text.provenance}
        return {"text": name} | compared.report() | facts

    def _run(
        self, texts: Mapping[str, Windows], model: WrittenModel, start: float, end: float
    ) -> Generator[JobProgress, None, dict[str, list[WindowDistance]]]:
        """Measure texts; those whose windows have one length go through the models together."""
        dense, pruned = self._opened(model)
        blocks = len(dense.blocks) + len(pruned.blocks)
        cache = MeasurementCache(model.scores, SINGLE_PROCESS)
        bases = {name: _basis(dense, model, text) for name, text in texts.items()}
        found, groups = dict[str, list[WindowDistance]](), dict[int, list[str]]()
        for name, text in texts.items():
            if (known := cache.read(bases[name])) is not None:
                found[name] = [WindowDistance(**fields) for fields in known]
            else:
                groups.setdefault(text.ids.shape[1], []).append(name)
        for number, names in enumerate(groups.values()):

            def progress_of(done: int, number: int = number) -> list[JobProgress]:
                share = (number + done / blocks) / len(groups)
                return [JobProgress(Phase.evaluating, start + share * (end - start))]

            steps = _distances(dense, pruned, [texts[name] for name in names], model)
            for name, windows in zip(names, (yield from mapped(steps, progress_of)), strict=True):
                cache.write(bases[name], [asdict(window) for window in windows])
                found[name] = windows
        return found

    def _opened(self, model: WrittenModel) -> tuple[MetaModel, MetaModel]:
        """Return the dense and the pruned model."""
        job, device = self.job, self.job.devices[0]
        dense, dtype = job.meta_model, job.meta_model.dtype
        if dense.device != device:
            dense = MetaModel.open(job.model.path, dtype, device)
        return dense, model.open(dtype, device)

    @staticmethod
    def card(part: Any, measured: Any) -> Iterable[str]:
        for row in part:
            yield (
                f"on `{row['text']}` the perplexity is {row['ratio']:.3f} times the dense model's, "
                f"the divergence from its predictions {row['kl']:.4f} nats per token, and the most "
                f"likely token the same for {100 * row['agreement']:.1f} %"
            )


def _basis(dense: MetaModel, model: WrittenModel, text: Windows) -> dict[str, Any]:
    """Return what the distances of a text depend on, ready for JSON."""
    return model_parts(dense, token_loss, dense.device) | {
        "pruned": model.digests,
        "text": ids_digest(text.ids),
        "comparing": code_digest(Path(evaluation.__path__[0])),
    }


def _distances(
    dense: MetaModel, pruned: MetaModel, texts: Sequence[Windows], model: WrittenModel
) -> Generator[int, None, list[list[WindowDistance]]]:
    """Run texts whose windows have one length through both models; return each text's distances."""
    scratch, ids = model.scores, torch.cat([text.ids for text in texts])
    scratch.mkdir(exist_ok=True)
    with TemporaryDirectory(prefix="activations-", dir=scratch) as spill:
        found = iter((yield from window_distances(dense, pruned, ids, Path(spill))))
    return [list(islice(found, len(text.ids))) for text in texts]
