"""How a model is to be pruned."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Literal

from torch import nn

from worker.pruning.base.errors import PatternError, SkipError
from worker.pruning.methods.allocation import Explicit, owl
from worker.pruning.methods.patterns import NofM, Pattern, Unstructured
from worker.pruning.methods.registry import Method
from worker.pruning.methods.solvers import Solver
from worker.pruning.methods.solvers.selection import AsPublished, Selection
from worker.pruning.methods.swaps import Swaps
from worker.pruning.model.linear_layers import LinearLayer, linear_layers
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.planning.workload import Propagation
from worker.pruning.stats.cross_moments import CrossMoments
from worker.pruning.stats.gram import GramMoments
from worker.pruning.stats.input_moments import InputMoments, Moments, VarianceMoments

Allocation = Literal["uniform", "owl"] | Explicit


@dataclass(frozen=True)
class Recipe:
    """How to prune.

    Attributes:
        method: how weights are scored; None leaves the choice to the solver.
        pattern: which scores survive.
        propagation: ``fused`` prunes each layer on its true input, in one forward per block;
            ``reference`` is the published protocol of two, whose masks count as published.
        solver: repairs the weights that are kept; None leaves them as they were.
        allocation: ``owl`` spreads the pattern's sparsity over the blocks by their outliers;
            explicit sparsities take the place of the pattern's.
        skip: globs of layer names, such as ``*.o_proj`` or ``model.layers.0.*``, to leave alone.
        correction: how far, from 0 to 1, the solver's aim is moved from the layer's outputs on the
            pruned stream's inputs to those on the dense stream's.
        damping: how strongly a solver holds the kept weights to the dense ones; None for what suits
            it.
        swaps: improve the mask that a score has chosen; None leaves it. Not with a solver.

    Raises:
        ValueError: a solver and swaps are asked for.
    """

    method: Method | None
    pattern: Pattern
    propagation: Propagation = "fused"
    solver: Solver | None = None
    allocation: Allocation = "uniform"
    skip: tuple[str, ...] = ()
    correction: float = 0.0
    damping: float | None = None
    swaps: Swaps | None = None

    def __post_init__(self) -> None:
        if self.solver is not None and self.swaps is not None:
            raise ValueError("a solver needs a mask that stays; leave swaps out")

    @property
    def needs_gradients(self) -> bool:
        """Whether the dense model's gradients have to be measured first."""
        return self.method is not None and self.method.gradients

    def new_moments(self) -> Moments:
        """Return empty moments that hold what this recipe asks of a layer's inputs."""
        if self.solver is not None:
            return CrossMoments() if self.correction else GramMoments()
        return InputMoments() if self.swaps is None else VarianceMoments()

    def layers(self, block_name: str, block: nn.Module) -> list[LinearLayer]:
        """Return the layers of a block that are to be pruned."""
        return [
            layer for layer in linear_layers(block) if self._wants(f"{block_name}.{layer.name}")
        ]

    def check(self, meta_model: MetaModel) -> None:
        """Refuse a recipe that this model's shapes do not allow.

        Raises:
            PatternError: a row does not split into groups.
            SkipError: a glob matches nothing, or nothing is left to prune.
            AllocationError: there are not as many explicit sparsities as blocks.
        """
        if isinstance(self.allocation, Explicit):
            self.allocation.sparsities(len(meta_model.blocks))
        self._check_globs(meta_model)
        blocks = ((meta_model.block_name(i), block) for i, block in enumerate(meta_model.blocks))
        layers = [(name, layer) for name, block in blocks for layer in self.layers(name, block)]
        if not layers:
            raise SkipError(f"skip {', '.join(self.skip)} leaves no layer to prune; name fewer")
        for name, layer in layers:
            if isinstance(self.pattern, NofM) and layer.inputs % self.pattern.m:
                raise PatternError(
                    f"{name}.{layer.name} has rows of {layer.inputs} weights, which do not split "
                    f"into groups of {self.pattern.m}; skip it, or choose another pattern"
                )

    def patterns(self, shares: Sequence[float]) -> tuple[Pattern, ...]:
        """Return a pattern for each block, given the outlier share of each (for ``owl``)."""
        if self.allocation == "uniform" or not isinstance(self.pattern, Unstructured):
            return (self.pattern,) * len(shares)
        if isinstance(self.allocation, Explicit):
            spread = self.allocation.sparsities(len(shares))
        else:
            spread = owl(shares, self.pattern.sparsity)
        return tuple(replace(self.pattern, sparsity=sparsity) for sparsity in spread)

    def selection(self, pattern: Pattern) -> Selection:
        """Return how a block's pattern counts: exactly, or as the published codes for `reference`.

        Each as its own: a solver only where it chooses the mask.
        """
        counts = self.solver.counts if self.solver and self.method is None else "inclusive"
        if self.propagation == "fused" or counts == "rounded":
            return pattern
        return AsPublished(pattern, inclusive=counts == "inclusive")

    def _check_globs(self, meta_model: MetaModel) -> None:
        """Refuse a glob that matches no part of the model: most likely it is misspelt."""
        if not self.skip:
            return
        names = [name for name, _ in meta_model.model.named_modules() if name]
        for index, block in enumerate(meta_model.blocks):
            own = meta_model.block_name(index)
            names += [f"{own}.{layer.name}" for layer in linear_layers(block)]
        for glob in self.skip:
            if not any(fnmatchcase(name, glob) for name in names):
                first = f"{meta_model.block_name(0)}.{linear_layers(meta_model.blocks[0])[0].name}"
                raise SkipError(
                    f"no layer of the model matches {glob!r}; layers have names such as {first}"
                )

    def _wants(self, name: str) -> bool:
        return not any(fnmatchcase(name, glob) for glob in self.skip)
