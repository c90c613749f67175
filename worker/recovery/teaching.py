"""The first stage of a recovery: running the training text through the dense model."""

from collections.abc import Generator
from functools import partial
from time import perf_counter

from worker.pruning.distributed.ranks import Ranks
from worker.pruning.model.meta_model import MetaModel
from worker.recovery.recovery_log import RecoveryLog
from worker.recovery.results import RecoveryProgress
from worker.recovery.teacher import Teacher


def teach(
    teacher: Teacher, dense: MetaModel, log: RecoveryLog, ranks: Ranks
) -> Generator[RecoveryProgress, None, None]:
    """Compute the dense model's predictions that the log lacks, one chunk per rank at a time.

    Those that an earlier job has stored are read.

    Args:
        teacher: computes the predictions, and writes them into one file per chunk.
        dense: the dense model.
        log: the log, which lists the chunks of an earlier run; new chunks are recorded in it.
        ranks: the processes that share the chunks.

    Yields:
        The progress after each block.
    """
    blocks, started, computed = len(dense.blocks), perf_counter(), 0
    for chunk in range(teacher.chunks):
        if not log.has_chunk(chunk) and ranks.run_on_main(partial(teacher.restore, chunk)):
            log.record_chunk(chunk, teacher.file(chunk))
    unknown = [chunk for chunk in range(teacher.chunks) if not log.has_chunk(chunk)]
    done = teacher.tokens(range(teacher.chunks)) - teacher.tokens(unknown)
    for first in range(0, len(unknown), ranks.size):
        together = unknown[first : first + ranks.size]
        tokens = teacher.tokens(together)
        for chunk in together[ranks.rank : ranks.rank + 1]:
            for index in teacher.compute(dense, chunk):
                share = tokens * (index + 1) // blocks
                yield RecoveryProgress(
                    stage="teacher",
                    step=together[0] * blocks + index + 1,
                    steps=teacher.chunks * blocks,
                    tokens=done + share,
                    tokens_per_second=(computed + share) / (perf_counter() - started),
                )
        ranks.barrier()
        for chunk in together:
            log.record_chunk(chunk, teacher.file(chunk))
        computed, done = computed + tokens, done + tokens
