"""Recoveries for `launch`."""

from collections.abc import Generator, Mapping
from pathlib import Path

import torch

from tests.worker.recovery.recoveries import (
    BATCH_TOKENS,
    Models,
    open_recovery,
    recovery_of,
)
from worker.pruning.distributed.ranks import Ranks
from worker.recovery import settings
from worker.recovery.results import RecoveryProgress, RecoveryResult
from worker.recovery.settings import Kind

Results = dict[Kind, RecoveryResult]


def recover_all(
    models: Mapping[Kind, Models], out: Path, ranks: Ranks, device: torch.device
) -> Generator[tuple[Kind, RecoveryProgress], None, Results]:
    """Recover a model in each of the kinds, one after another."""
    settings._FEWEST_BATCH_TOKENS = BATCH_TOKENS  # as in all tests of recoveries
    results: Results = {}
    for kind, own in models.items():
        folder = out / kind
        progress = open_recovery(own, folder, recovery_of(kind, 12), ranks=ranks).run()
        while True:
            try:
                yield kind, next(progress)
            except StopIteration as end:
                results[kind] = end.value
                break
    return results
