"""Train a sparse model further with your own trainer, without losing its zeros.

LoRA adapters are in ``zpruner.training.adapters``, the only module here that needs peft.
"""

from zpruner.training.errors import (
    AdapterError,
    ComparisonError,
    MaskError,
    NotSparseError,
    OptimizerError,
    TrainingError,
)
from zpruner.training.masks import zero_masks
from zpruner.training.sparsity import LostSparsity, compare_sparsity
from zpruner.training.trainer_callback import KeepZerosCallback
from zpruner.training.zero_hooks import ZeroHooks, keep_zeros

__all__ = [
    "AdapterError",
    "ComparisonError",
    "KeepZerosCallback",
    "LostSparsity",
    "MaskError",
    "NotSparseError",
    "OptimizerError",
    "TrainingError",
    "ZeroHooks",
    "compare_sparsity",
    "keep_zeros",
    "zero_masks",
]
