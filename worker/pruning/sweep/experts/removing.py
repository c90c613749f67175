"""The removal of experts as a stage of a sweep, which cuts each block as it reaches it."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from typing import Self

from worker.pruning.calibration.calibrated_block import Calibration
from worker.pruning.experts.counts import SERVED
from worker.pruning.experts.settings import ExpertSettings
from worker.pruning.experts.smaller_mixture import smaller_mixture
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.structure.smaller_config import Fields
from worker.pruning.sweep.experts.expert_cutter import ExpertCutter
from worker.pruning.sweep.experts.expert_work import ExpertWork
from worker.pruning.sweep.recipe.stage import StagedModel, SweepStage


@dataclass(frozen=True)
class RemovingExperts(SweepStage):
    """The removal of experts.

    Attributes:
        settings: how many experts stay, and which.
        second: how many of the calibration windows, the last ones, are of a second text, on which
            experts that matter stay, too.
    """

    goes_with_removal = False
    cuts = True
    copies = True
    settings: ExpertSettings
    second: int = 0

    @property
    def is_measured_first(self) -> bool:
        """Whether experts are scored in the dense model, before the first block is cut."""
        return self.settings.from_dense

    @property
    def spared_windows(self) -> int:
        """How many of the calibration windows, the last ones, are of a second text."""
        return self.second

    def sparing(self, windows: int) -> Self:
        """Return the stage if the last ``windows`` calibration windows are of a second text."""
        return replace(self, second=windows)

    def check(self, model: StagedModel) -> None:
        """Check that the model has experts, and that so many can stay.

        Raises:
            UnsupportedModelError, ExpertsError, RatioError: as `smaller_mixture`.
        """
        smaller_mixture(self.settings, model.meta_model)

    def warnings(self, meta_model: MetaModel) -> Iterator[str]:
        """Yield a warning if engines may not serve the number of experts."""
        mixture = smaller_mixture(self.settings, meta_model)
        if mixture.kept % SERVED:
            yield (
                f"Of {mixture.count} experts {mixture.kept} stay, which is no multiple of "
                f"{SERVED}. Some engines divide experts among devices, or have fused routers for "
                "certain numbers only. Set experts to another number for these."
            )
        if mixture.left_out:
            yield (
                f"{len(mixture.left_out):,} tensors of a head that predicts further tokens are "
                "left out, and the config counts no such head: transformers does not load it, so "
                "that its experts cannot be scored. Engines then decode without this head."
            )

    def removed(self, meta_model: MetaModel) -> int:
        """Return how many parameters the blocks lose with their experts."""
        mixture = smaller_mixture(self.settings, meta_model)
        return sum(mixture.removed_numbers(index) for index in range(len(mixture.layers)))

    def left_out(self, meta_model: MetaModel) -> tuple[str, ...]:
        """Return the stored tensors of heads whose experts no token can be routed through."""
        return smaller_mixture(self.settings, meta_model).left_out

    def fields(self, meta_model: MetaModel) -> Fields:
        """Return the fields of the config that count the experts."""
        return smaller_mixture(self.settings, meta_model).fields

    def work(self, model: StagedModel) -> ExpertWork:
        """Return the work of scoring and removing experts."""
        dense = model.meta_model
        mixture = smaller_mixture(self.settings, dense)
        blocks = range(len(mixture.layers))
        removed = tuple(mixture.removed_numbers(index) for index in blocks)
        removed_bytes = tuple(mixture.removed_bytes(dense, index) for index in blocks)
        left_out = dense.checkpoint.size_bytes(mixture.left_out)
        per_token, from_dense = mixture.routing.per_token or 1, self.settings.from_dense
        return ExpertWork(removed, removed_bytes, per_token, left_out, from_dense)

    def cutter(
        self, model: StagedModel, calibration: Calibration, second_text: Collection[int]
    ) -> ExpertCutter:
        """Return what removes the experts of each block."""
        mixture = smaller_mixture(self.settings, model.meta_model)
        texts = (frozenset(second_text), self.second)
        return ExpertCutter(calibration, mixture, self.settings, *texts)
