"""The size of a job's result, before any work."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from transformers import PretrainedConfig

from db.spec.options.target import TargetSpec
from worker.jobs.target.cache_size import cache_bytes
from worker.pruning.experts.layers import Routing, expert_layer
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.planning.artifact_size import artifact_bytes
from worker.pruning.structure.smaller_config import Fields, smaller_config
from worker.pruning.sweep.job_shapes import model_shape
from worker.pruning.sweep.recipe.recipe import Recipe


@dataclass(frozen=True)
class ResultSize:
    """The size of the result of a recipe; without one, that of the dense model.

    Attributes:
        meta_model: the dense model.
        recipe: how it is pruned; None if it is not.
    """

    meta_model: MetaModel
    recipe: Recipe | None

    def of(self, target: TargetSpec) -> int:
        """Return what a target limits, of the result."""
        return _SIZES[target.limited](self, target)

    @property
    def parameters(self) -> int:
        """The number of parameters, as the job's metrics count them."""
        counts = self.meta_model.checkpoint.counts
        left_out = self.recipe.left_out(self.meta_model) if self.recipe else ()
        return sum(counts.values()) - sum(counts[name] for name in left_out) - self._removed

    @property
    def active_parameters(self) -> int:
        """The number of parameters that each token runs through."""
        config = self.config
        model = self.meta_model.described(config) if self.recipe else self.meta_model
        routing, idle = Routing.of(config.get_text_config()), 0.0
        for block in model.blocks:
            if (layer := expert_layer(block)) is not None:
                share = 1 - min(1.0, (routing.per_token or layer.count) / layer.count)
                experts = block.get_submodule(layer.name)
                idle += share * sum(value.numel() for value in experts.parameters())
        return self.parameters - round(idle)

    @property
    def stored_bytes(self) -> int:
        """Bytes of the weights in their files."""
        if self.recipe is None:
            return self.meta_model.checkpoint.stored_bytes
        model = self.recipe.staged(self.meta_model)
        stages = [stage.work(model) for stage in self.recipe.stages]
        return artifact_bytes(model_shape(self.meta_model, self.recipe), stages)

    def memory(self, target: TargetSpec) -> int:
        """Bytes of the weights, and of the keys and values of the target's tokens."""
        decoder = self.config.get_text_config()
        cache = cache_bytes(decoder, target.context or 1, target.batch or 1)
        return self.stored_bytes + cache

    @property
    def config(self) -> PretrainedConfig:
        """The config of the result."""
        return smaller_config(self.meta_model.model.config, self._fields)

    @property
    def _fields(self) -> Fields:
        if self.recipe is None:
            return {}
        reduction = self.recipe.reduction(self.meta_model)
        own = reduction.fields if reduction else {}
        return {**self.recipe.fields(self.meta_model), **own}

    @property
    def _removed(self) -> int:
        """How many parameters the blocks lose."""
        if self.recipe is None:
            return 0
        reduction = self.recipe.reduction(self.meta_model)
        units = reduction.parameters_removed if reduction else 0
        return units + sum(stage.removed(self.meta_model) for stage in self.recipe.stages)


_SIZES: Mapping[str, Callable[[ResultSize, TargetSpec], int]] = {
    "parameters": lambda size, _: size.parameters,
    "active_parameters": lambda size, _: size.active_parameters,
    "bytes": lambda size, _: size.stored_bytes,
    "memory": ResultSize.memory,
}
