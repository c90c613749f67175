"""The moments of the dense model's layers, from which units are chosen and readers repaired."""

from collections.abc import Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from worker.pruning.base.known_tensors import (
    MOST_BYTES,
    SUFFIX,
    KnownTensors,
    open_tensors,
    write_tensors,
)
from worker.pruning.calibration.calibrated_block import CalibratedBlock
from worker.pruning.calibration.collectors import Collector
from worker.pruning.distributed.ranks import Ranks
from worker.pruning.model.linear_layers import LinearLayer
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.planning.workload import Setting
from worker.pruning.stats.gram import GramMoments
from worker.pruning.sweep.fingerprint import json_digest
from worker.pruning.sweep.layer_pruner import LayerPruner
from worker.pruning.sweep.measurement.measurement_cache import measurement_basis
from worker.pruning.sweep.recipe.recipe import Recipe

_FOLDER = "moments"


class DenseMoments:
    """The moments of the layers that read units, in the dense model, for any share of units.

    One pass measures them, block by block as these are pruned. Rank 0 keeps them in a file for each
    block, so that the next job on the same model and windows runs no window.

    Args:
        folder: the folder of stored measurements; None to keep nothing.
        basis: everything that the moments depend on, ready for JSON.
        widths: for each block, how many inputs each of these layers has.
        ranks: the ranks that share the windows.
    """

    def __init__(
        self,
        folder: Path | None,
        basis: Mapping[str, Any],
        widths: Sequence[Sequence[int]],
        ranks: Ranks,
    ) -> None:
        size = 4 * sum(width * (width + 1) // 2 for block in widths for width in block)
        self._folder = None if folder is None or size > MOST_BYTES else folder / _FOLDER
        self._basis, self._blocks, self._ranks = basis, len(widths), ranks
        self._known: list[KnownTensors] = []

    @cached_property
    def is_known(self) -> bool:
        """Whether an earlier job has measured all blocks; all ranks have to ask."""
        return self._ranks.run_on_main(self._open)

    def prune(
        self,
        pruned: CalibratedBlock,
        layers: Sequence[LinearLayer],
        collector: Collector[Any],
        pruner: LayerPruner[Any],
    ) -> None:
        """Prune the layers of a block, given their moments in the dense model."""
        if self.is_known:
            for place, layer in enumerate(layers):
                pruned.change_layer(layer, partial(self._prune, pruner, pruned.index, place, layer))
            return
        kept = dict[str, Tensor]()

        def prune_and_keep(layer: LinearLayer, moments: GramMoments) -> None:
            if self._folder is not None:
                kept.update(_tensors(len(kept) // 2, moments))
            pruner.prune_layer(layer, moments)

        pruned.change_as_dense(layers, collector, prune_and_keep)
        if self._folder is not None and self._ranks.is_main:
            write_tensors(self._path(self._folder, pruned.index), kept)

    def _open(self) -> bool:
        """Open the files of all blocks, which nothing can delete from then on."""
        if self._folder is None:
            return False
        for index in range(self._blocks):
            if (opened := open_tensors(self._path(self._folder, index))) is None:
                return False
            self._known.append(opened)
        return True

    def _prune(self, pruner: LayerPruner[Any], index: int, place: int, layer: LinearLayer) -> None:
        known, names = self._known[index], _names(place)
        triangle, tokens = (known[name] for name in names)
        moments = GramMoments()
        if int(tokens):
            on_device = triangle.to(layer.weight.device)
            moments = GramMoments.from_triangle(on_device, layer.inputs, int(tokens))
        pruner.prune_layer(layer, moments)

    def _path(self, folder: Path, index: int) -> Path:
        return folder / f"{json_digest({**self._basis, 'block': index})}{SUFFIX}"


def dense_moments(
    recipe: Recipe,
    meta_model: MetaModel,
    given: Mapping[str, Any],
    setting: Setting,
    folder: Path | None,
    ranks: Ranks,
) -> DenseMoments | None:
    """Return the moments by which a recipe removes units; None if they are not the dense model's.

    Those of two texts are not kept.

    Args:
        recipe: how the model is pruned.
        meta_model: the dense model.
        given: the fingerprint of the sweep.
        setting: how large batches are.
        folder: the folder of stored measurements; None to keep nothing.
        ranks: the ranks that share the windows.
    """
    if not recipe.removes_as_dense:
        return None
    own = ["moments", type(recipe.removal).__name__]
    basis = measurement_basis(own, given, setting.batch_tokens, ranks)
    widths = [
        [layer.inputs for layer in recipe.layers(meta_model, index, block)]
        for index, block in enumerate(meta_model.blocks)
    ]
    return DenseMoments(None if recipe.spared_windows else folder, basis, widths, ranks)


def _tensors(place: int, moments: GramMoments) -> dict[str, Tensor]:
    """Return what is kept of the moments of a block's layer at this place."""
    triangle = moments.triangle().cpu() if moments.tokens else torch.empty(0)
    return dict(zip(_names(place), (triangle, torch.tensor(moments.tokens)), strict=True))


def _names(place: int) -> tuple[str, str]:
    return f"{place}.gram", f"{place}.tokens"
