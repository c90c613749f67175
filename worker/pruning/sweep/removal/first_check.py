"""The check of a removal before anything is measured, on one block of each kind."""

from functools import partial

from worker.pruning.model.block_inputs import BlockInputs
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.structure.coupling import check_independent
from worker.pruning.structure.depth import block_kind
from worker.pruning.structure.removal import Removal


def check_removal(meta_model: MetaModel, block_inputs: BlockInputs, removal: Removal) -> None:
    """Check on the first block of each kind that what is removed can be removed.

    Args:
        block_inputs: calls the model's blocks.
        removal: which units or blocks are removed.

    Raises:
        UnsupportedModelError: units depend on each other, or a block whose parameters are zero does
            not return its inputs.
    """
    kinds: dict[object, list[int]] = {}
    for index, block in enumerate(meta_model.blocks):
        kinds.setdefault(block_kind(block), []).append(index)
    for first, *others in kinds.values():
        if not removal.drops_blocks:
            _check_units(meta_model, block_inputs, removal, first)
        elif others:  # the only block of a kind stays
            _check_block(meta_model, block_inputs, first)


def _check_block(meta_model: MetaModel, block_inputs: BlockInputs, index: int) -> None:
    with meta_model.zeroed_block(index) as block:
        block_inputs.check_identity(block, index)


def _check_units(
    meta_model: MetaModel, block_inputs: BlockInputs, removal: Removal, index: int
) -> None:
    with meta_model.loaded_block(index, meta_model.read_block(index)) as block:
        units = removal.units(block, meta_model.config)
        check_independent(block, units, partial(block_inputs.run_sample, block, index))
