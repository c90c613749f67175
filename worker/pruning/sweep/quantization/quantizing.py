"""The quantisation of a sweep: blocks are quantised after they have been pruned and trained."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass

from worker.pruning.base.errors import QuantizationError
from worker.pruning.base.stage_progress import StageProgress
from worker.pruning.calibration.calibrated_block import CalibratedBlock, Calibration
from worker.pruning.calibration.collectors import InputCollector
from worker.pruning.model.linear_layers import LinearLayer
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.quantization.layers import NamedLayer, check_layers
from worker.pruning.quantization.scheme import Quantization, Scheme
from worker.pruning.stats.gram import GramMoments
from worker.pruning.sweep.job_shapes import layer_shapes, routed_to
from worker.pruning.sweep.quantization.block_quantizer import BlockQuantizer
from worker.pruning.sweep.quantization.rounding_work import RoundingWork
from worker.pruning.sweep.recipe.check import check_globs
from worker.pruning.sweep.recipe.recipe import Recipe
from worker.pruning.sweep.recipe.stage import (
    BlockStage,
    StagedModel,
    StageResult,
    SweepStage,
)


@dataclass(frozen=True)
class Quantizing(SweepStage):
    """The quantisation of a sweep; ``settings`` are what was requested."""

    goes_with_removal = False
    settings: Quantization

    def check(self, model: StagedModel) -> None:
        """Check that there are layers to quantise, and that each can be.

        Raises:
            SkipError: a glob matches no part of the model.
            QuantizationError: a layer cannot be quantised, or none is left.
        """
        check_globs(self.settings.skip, model.meta_model)
        if not self.layers(model):
            skipped = ", ".join(self.settings.skip)
            raise QuantizationError(
                f"its skip {skipped} leaves no layer to quantise",
                "skip fewer, or leave quantize out",
            )
        self.scheme(model)

    def layers(self, model: StagedModel) -> list[NamedLayer]:
        """Return the layers of all blocks that are quantised, each with the name of its block."""
        return [
            (name, layer)
            for name, _, layers in model.blocks
            for layer in self.rounded(name, layers)
        ]

    def rounded(self, name: str, layers: Sequence[LinearLayer]) -> list[LinearLayer]:
        """Return those of the layers of the block of this name that are quantised."""
        return [layer for layer in layers if self.settings.rounds(f"{name}.{layer.name}")]

    def scheme(self, model: StagedModel) -> Scheme:
        """Return how the model's matrices are quantised.

        Raises:
            QuantizationError: a layer cannot be quantised.
        """
        layers = self.layers(model)
        check_layers(layers, model.meta_model.weights)
        return self.settings.scheme(
            (f"{name}.{layer.name}", layer.inputs) for name, layer in layers
        )

    def work(self, model: StagedModel) -> RoundingWork:
        """Return the work of rounding the weights."""
        chosen = routed_to(model.meta_model)
        rounded = [self.rounded(name, layers) for name, _, layers in model.blocks]
        shapes = tuple(layer_shapes(layers, chosen) for layers in rounded)
        return RoundingWork(self.scheme(model), shapes)

    def open(self, model: StagedModel, calibration: Calibration) -> "_BlockQuantization":
        """Return what quantises the blocks."""
        return _BlockQuantization(self, self.scheme(model))


@dataclass(frozen=True)
class _BlockQuantization(BlockStage):
    quantizing: Quantizing
    scheme: Scheme

    def run(
        self, pruned: CalibratedBlock, layers: Sequence[LinearLayer], *, advances: bool
    ) -> Generator[StageProgress, None, StageResult]:
        yield from ()
        quantizer = BlockQuantizer(pruned.name, pruned.stored, self.scheme)
        rounded = self.quantizing.rounded(pruned.name, layers)
        collector, quantize = InputCollector(GramMoments), quantizer.quantize_layer
        pruned.change_layers(rounded, collector, quantize, advances=advances)
        return StageResult({"quantized": tuple(quantizer.results)}, quantizer.matrices)


def scheme_of(recipe: Recipe, meta_model: MetaModel) -> Scheme | None:
    """Return how a recipe quantises a model's matrices; None if it does not.

    Raises:
        QuantizationError: a layer cannot be quantised.
    """
    quantizing = recipe.stage(Quantizing)
    return None if quantizing is None else quantizing.scheme(recipe.staged(meta_model))


def quantized_layers(recipe: Recipe, meta_model: MetaModel) -> list[NamedLayer]:
    """Return the layers that a recipe quantises, each with the name of its block."""
    quantizing = recipe.stage(Quantizing)
    return [] if quantizing is None else quantizing.layers(recipe.staged(meta_model))
