"""The check that a written smaller model computes what the model with zeros computes."""

import torch
from torch import Tensor

from worker.pruning.base.errors import NotFiniteError, SmallerModelError
from worker.pruning.model.block_inputs import BlockInputs
from worker.pruning.model.head_loss import head_logits
from worker.pruning.model.meta_model import MetaModel

_TOKENS = 16
_TOLERANCES = {torch.float32: 0.01}
_TOLERANCE = 0.1
"""How far logits may differ, in float32 and in dtypes of 16 bits. A unit in a wrong place changes
them by about as much as they vary; rounding in bfloat16 by a few hundredths."""


def check_computes(smaller: MetaModel, whole: MetaModel) -> None:
    """Check on a few tokens that a smaller model computes what the model with zeros computes.

    The code that runs is that of transformers for the smaller model's config, and the weights are
    those of its files. One block is in memory at a time.

    Of the tokens' deviations the median counts: the router of a mixture of experts may choose other
    experts for a token whose scores are nearly equal.

    Args:
        smaller: the smaller model, opened from its written folder.
        whole: the model that has all its shapes, with zeros.

    Raises:
        SmallerModelError: the smaller model cannot be run, or its logits are others.
        NotFiniteError: the logits of the model with zeros contain NaN or infinity.
    """
    expected = _logits(whole)
    if not bool(expected.isfinite().all()):
        raise NotFiniteError("the logits of the model with zeros")
    try:
        actual = _logits(smaller)
    except (OSError, MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # a family's code may raise anything
        raise SmallerModelError(f"transformers cannot run it ({error})") from error
    deviation = _deviation(actual, expected)
    tolerance = _TOLERANCES.get(whole.dtype, _TOLERANCE)
    if not deviation <= tolerance:  # NaN is no number that is small enough
        raise SmallerModelError(
            f"its logits differ from those of the model with zeros by {deviation:.2g} of their "
            f"size, and may differ by {tolerance:g}"
        )


@torch.no_grad()
def _logits(meta_model: MetaModel) -> Tensor:
    """Return the logits ``[tokens, vocabulary]``, fp32, of a few tokens."""
    vocabulary = meta_model.config.vocab_size
    tokens = min(_TOKENS, getattr(meta_model.config, "max_position_embeddings", None) or _TOKENS)
    ids = torch.arange(1, tokens + 1)[None] * max(1, vocabulary // (tokens + 1)) % vocabulary
    inputs, states = BlockInputs(meta_model), list[Tensor]()
    with meta_model.loaded_embeddings():
        inputs.detect_output_format()
        inputs.embed([ids], states.append)
    (hidden,) = states
    for index in range(len(meta_model.blocks)):
        with meta_model.loaded_block(index, meta_model.read_block(index)) as block:
            hidden = inputs.call(block, index, hidden)
    with meta_model.loaded_head():
        return head_logits(meta_model, inputs, hidden[0]).float().cpu()


def _deviation(actual: Tensor, expected: Tensor) -> float:
    """Return the median over tokens of the size of the difference, relative to the logits' spread.

    The mean of a token's logits is left out, as it changes no probability.
    """
    centred = expected - expected.mean(-1, keepdim=True)
    difference = actual - expected
    ratios = difference.norm(dim=-1) / centred.norm(dim=-1).clamp(min=1e-20)
    return float(ratios.median())
