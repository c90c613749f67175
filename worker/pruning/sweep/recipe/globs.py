"""Globs of layers that are left out."""

from collections.abc import Sequence
from fnmatch import fnmatchcase

from worker.pruning.base.errors import SkipError
from worker.pruning.model.linear_layers import linear_layers
from worker.pruning.model.meta_model import MetaModel


def check_globs(globs: Sequence[str], meta_model: MetaModel) -> None:
    """Check that each glob matches a part of the model: most likely, one that does not is misspelt.

    Raises:
        SkipError: one does not.
    """
    if not globs:
        return
    names = [name for name, _ in meta_model.model.named_modules() if name]
    for index, block in enumerate(meta_model.blocks):
        own = meta_model.block_name(index)
        names += [f"{own}.{layer.name}" for layer in linear_layers(block)]
    for glob in globs:
        if not any(fnmatchcase(name, glob) for name in names):
            first = f"{meta_model.block_name(0)}.{linear_layers(meta_model.blocks[0])[0].name}"
            raise SkipError(
                f"no layer of the model matches {glob!r}", f"layers have names such as {first}"
            )
