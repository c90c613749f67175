"""The fingerprint of a recovery: everything that determines the bytes of its result."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from worker.pruning.base.file_digests import file_digest
from worker.pruning.methods.patterns import Pattern
from worker.pruning.model.head_loss import TokenLoss
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.sweep.fingerprint import (
    code_digest,
    ids_digest,
    model_parts,
    plain_values,
)
from worker.recovery.settings import Recovery

_OF_RECOVERY = {"pruned", "recovery", "pattern", "windows", "seed", "ranks"}


def predictions_basis(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parts of a recovery's fingerprint that the dense model's predictions depend on.

    The windows and the temperature are not among them.
    """
    return {name: part for name, part in given.items() if name not in _OF_RECOVERY}


def recovery_fingerprint(
    dense: MetaModel,
    pruned: MetaModel,
    recovery: Recovery,
    pattern: Pattern | None,
    windows: dict[str, Tensor],
    token_loss: TokenLoss,
    seed: int,
    ranks: int,
) -> dict[str, Any]:
    """Return what the result depends on, part by part, ready for JSON.

    The pruned model is identified by the digests of its files. A resumed sweep writes some of its
    files again with the same bytes, which must not change the fingerprint. The plan's setting is
    not included: a resumed run keeps the earlier run's setting.

    Args:
        dense: the dense model.
        pruned: the pruned model.
        recovery: how the pruned model is trained.
        pattern: the pattern that masks of the kind ``ast`` must satisfy; None if no pattern is
            known.
        windows: token ids ``[windows, tokens]`` keyed by their use, such as ``training``.
        token_loss: the function that measures the loss.
        seed: determines the order of the windows, and the initial values of adapters.
        ranks: number of processes.
    """
    files = sorted({stored.file for stored in pruned.checkpoint.tensors.values()})
    return model_parts(dense, token_loss, dense.device) | {
        "pruned": [[path.name, file_digest(path)] for path in files],
        "recovery": plain_values(recovery),
        "pattern": plain_values(pattern),
        "windows": {name: ids_digest(ids) for name, ids in windows.items()},
        "seed": seed,
        "ranks": ranks,
        "recovery_code": code_digest(Path(__file__).parent),
    }
