"""A job whose model and texts are open, ready for its work."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from db.spec.prune_spec import PruneSpec
from worker.jobs.options.recover import recovery_of
from worker.jobs.recipes import recipe_of, recipe_sparing, recipe_starting
from worker.jobs.resources import Resources
from worker.jobs.result.unit_probabilities import read_probabilities
from worker.jobs.smaller_vocabulary import SmallerVocabulary
from worker.jobs.target.aim import aimed
from worker.jobs.windows import JobWindows, windows_of
from worker.pruning.base.compute import compute_dtype
from worker.pruning.base.speed import Speed
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.model.scanned_file import check_finite
from worker.pruning.planning.measured_speed import measured_speed
from worker.pruning.quantization.scheme import Scheme
from worker.pruning.sweep.quantization.quantizing import scheme_of
from worker.pruning.sweep.recipe.recipe import Recipe
from worker.recovery.settings import Recovery
from worker.sources.models import ModelFolder


@dataclass(frozen=True)
class OpenedJob:
    """A job that is ready for its work: its inputs are open and checked.

    Attributes:
        spec: its specification, with the ratio, or the number of experts, that its target needs.
        model: the dense model's folder.
        meta_model: the dense model. With several devices, each process opens a meta model of its
            own, and no forward pass uses this one.
        recipe: how the model is pruned.
        recovery: how the pruned model is trained; None if it is not.
        windows: the windows of token ids that the model runs on.
        devices: one for each process that shares the work.
        resources: the folders, devices and memory that the job may use.
        vocabulary: the tokens that stay; None if all do.
        others: its specifications with the other methods that it compares.
        compared: what was measured of each method, ready for JSON, by its name.
    """

    spec: PruneSpec
    model: ModelFolder
    meta_model: MetaModel
    recipe: Recipe
    recovery: Recovery | None
    windows: JobWindows
    devices: tuple[torch.device, ...]
    resources: Resources
    vocabulary: SmallerVocabulary | None = None
    others: tuple[PruneSpec, ...] = ()
    compared: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def open(
        cls,
        spec: PruneSpec,
        model: ModelFolder,
        devices: tuple[torch.device, ...],
        resources: Resources,
        written: Tensor | None = None,
    ) -> "OpenedJob":
        """Open a job: check its recipe, check that all weights are finite, and tokenize its texts.

        ``written`` are the windows that the dense model has written for it, as in `windows_of`.

        Raises:
            SpecRefusedError: a field of ``spec`` has a value that cannot be used.
            PruningError: the model cannot be pruned in this way, or a weight is not finite.
        """
        reader = devices[0] if len(devices) == 1 else torch.device("cpu")
        meta_model = MetaModel.open(model.path, compute_dtype(spec.dtype, devices[0]), reader)
        spec, *others = aimed(spec, meta_model)
        recipe = recipe_of(spec)
        if (start := resources.search_start) is not None:
            recipe = recipe_starting(recipe, read_probabilities(start, model, meta_model, recipe))
        check_finite(meta_model.checkpoint)
        windows = windows_of(spec, model, meta_model, resources, written)
        if not recipe.is_calibrated:
            windows = replace(windows, calibration=windows.calibration.first(0))
        recovery = recovery_of(spec)
        if windows.keep is not None:
            recipe = recipe_sparing(recipe, len(windows.keep.ids))
        job = cls(spec, model, meta_model, recipe, recovery, windows, devices, resources)
        return replace(job, others=tuple(others))

    @property
    def candidates(self) -> "tuple[OpenedJob, ...]":
        """The job with each of the methods that it compares; itself if it compares none."""
        keep = self.windows.keep
        recipes = [
            recipe_sparing(recipe_of(spec), len(keep.ids) if keep else 0) for spec in self.others
        ]
        pairs = zip(self.others, recipes, strict=True)
        return (
            self,
            *(replace(self, spec=spec, recipe=recipe, others=()) for spec, recipe in pairs),
        )

    @property
    def requested(self) -> PruneSpec:
        """The specification as it can be submitted, of the method that was kept."""
        if self.spec.target is None:
            return self.spec
        return self.spec.model_copy(update={"ratio": None, "experts": None})

    @property
    def chosen(self) -> dict[str, Any]:
        """The field that says how much is removed as a whole, with its value."""
        return self.spec.model_dump(include={"ratio", "experts"}, exclude_none=True)

    @property
    def is_rewritten(self) -> bool:
        """Whether the result is smaller than the model, so that its files are written anew."""
        return self.recipe.is_cut or self.vocabulary is not None

    @property
    def budget_of_a_process(self) -> int | None:
        """The maximum memory of each process; None for no limit."""
        budget = self.resources.memory_budget_bytes
        return budget // len(self.devices) if budget else None

    @cached_property
    def scheme(self) -> Scheme | None:
        """How the model is quantised; None if it is not."""
        return scheme_of(self.recipe, self.meta_model)

    @cached_property
    def speed(self) -> Speed | None:
        """The machine's speed; None if it is not known, or if several devices share the job."""
        if self.resources.speeds is None or len(self.devices) > 1:
            return None
        measured = measured_speed(self.resources.speeds, self.devices[0], self.meta_model.dtype)
        return measured.speed if measured else None
