"""The texts of a job, on which the pruned model's predictions are compared with the dense one's."""

from collections.abc import Generator, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

from db.core.states import Phase
from worker.evaluation.distance import WindowDistance, window_distances
from worker.evaluation.perplexity import token_loss
from worker.jobs.opened_job import OpenedJob
from worker.jobs.progress import JobProgress
from worker.jobs.stages.stage import SHORT, Measured, Stage, WrittenModel
from worker.jobs.stages.texts.measured import ComparedText, text_metrics
from worker.jobs.stages.texts.reading import read_texts
from worker.pruning.base.generators import mapped
from worker.pruning.base.names import SCORES_FOLDER
from worker.pruning.distributed.ranks import SINGLE_PROCESS
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.sweep.fingerprint import code_digest, ids_digest, model_parts
from worker.pruning.sweep.measurement.measurement_cache import MeasurementCache
from worker.sources.windows import Windows

_EVALUATION = Path(__file__).parents[3] / "evaluation"


@dataclass(frozen=True)
class TextsStage(Stage):
    """Compares the dense and the pruned model on the evaluation texts of a job.

    Attributes:
        job: the job.
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
        """Run both models on each text; yield progress after each block of each.

        A text that an interrupted attempt has measured on the same weights is not measured again.
        """
        job, device = self.job, self.job.devices[0]
        dense, dtype = job.meta_model, job.meta_model.dtype
        if dense.device != device:
            dense = MetaModel.open(job.model.path, dtype, device)
        pruned = MetaModel.open(model.config, dtype, device, weights=model.folder)
        share, compared = (end - start) / len(self.texts), dict[str, ComparedText]()
        for name, text in self.texts.items():
            before = start + share * len(compared)

            def progress_of(blocks: int, before: float = before) -> list[JobProgress]:
                done = before + share * blocks / (len(dense.blocks) + len(pruned.blocks))
                return [JobProgress(Phase.evaluating, done)]

            distances = self._distances(dense, pruned, text, model)
            compared[name] = ComparedText((yield from mapped(distances, progress_of)))
        return Measured(text_metrics(compared), [self._row(*each) for each in compared.items()])

    def _row(self, name: str, compared: ComparedText) -> dict[str, Any]:
        text = self.texts[name]
        facts = {"overlap": self.job.windows.overlap(text), "protocol": text.provenance}
        return {"text": name} | compared.report() | facts

    def _distances(
        self, dense: MetaModel, pruned: MetaModel, text: Windows, model: WrittenModel
    ) -> Generator[int, None, list[WindowDistance]]:
        scratch = model.folder / SCORES_FOLDER
        cache = MeasurementCache(scratch, SINGLE_PROCESS)
        basis = model_parts(dense, token_loss, dense.device) | {
            # The files of a resumed job may be written again, so only their content counts.
            "pruned": {shard.name: shard.sha256 for shard in model.shards},
            "text": ids_digest(text.ids),
            "comparing": code_digest(_EVALUATION),
        }
        if (known := cache.read(basis)) is not None:
            return [WindowDistance(**fields) for fields in known]
        scratch.mkdir(exist_ok=True)
        with TemporaryDirectory(prefix="activations-", dir=scratch) as spill:
            found = yield from window_distances(dense, pruned, text.ids, Path(spill))
        cache.write(basis, [asdict(window) for window in found])
        return found

    @staticmethod
    def card(part: Any, measured: Any) -> Iterable[str]:
        for row in part:
            yield (
                f"on `{row['text']}` the perplexity is {row['ratio']:.3f} times the dense model's, "
                f"the divergence from its predictions {row['kl']:.4f} nats per token, and the most "
                f"likely token the same for {100 * row['agreement']:.1f} %"
            )
