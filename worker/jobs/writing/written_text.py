"""The text that a job's dense model writes, to be calibrated and trained on."""

import logging
from collections.abc import Generator
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from db.core.errors import SpecRefusedError
from db.core.states import Phase
from db.spec.descriptions.option import UNFIT
from db.spec.options.mix import GENERATED
from worker import evaluation
from worker.evaluation.generation import CACHE_ROOM, end_tokens, whole_model
from worker.evaluation.perplexity import token_loss
from worker.evaluation.self_written import WritingStyle, rows_of_chunk, write_chunk
from worker.jobs.opened_job import OpenedJob
from worker.jobs.progress import JobProgress
from worker.jobs.target.cache_size import numbers_of_token
from worker.jobs.writing.chat_style import REMEDY, chat_turns
from worker.pruning.base.generators import mapped
from worker.pruning.base.names import SCORES_FOLDER
from worker.pruning.distributed.ranks import SINGLE_PROCESS
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.planning.memory_limits import require_headroom
from worker.pruning.sweep.fingerprint import code_digest, ids_digest, model_parts
from worker.pruning.sweep.measurement.measurement_cache import MeasurementCache
from worker.sources.mixes import source_numbers
from worker.sources.tokenizer import load_tokenizer

logger = logging.getLogger(__name__)
WRITTEN = 0.2
"""The share that writing takes of a job's work; only roughly, as later jobs read what it wrote."""
CHANGE, TASK = (
    "a dataset in place of the generated text of mix (or an empty mix)",
    "writing text with the dense model",
)
_SHORTEST_TURN = 8
_LOGITS = 5  # tensors of logits in fp32 at a time
_EMPTY_CHUNKS = 4
"""After so many chunks of which no window is kept, the model is taken to write nothing else."""


def written_text(job: OpenedJob, out: Path, start: float) -> Generator[JobProgress, None, Tensor]:
    """Write the windows that a job needs, or read those that are stored.

    They are written in chunks, each of which is stored when it is done: with the measurements of
    dense models for all jobs, or without a folder for these, in ``out``.

    Args:
        job: the job, whose mix has a generated text.
        out: the folder of its result.
        start: the share of its work that is done before.

    Yields:
        Progress after each token of a chunk.

    Raises:
        SpecRefusedError: the model cannot write text.
        InsufficientMemoryError: the whole model does not fit into memory.
    """
    needed, length = job.windows.written_count, job.windows.calibration.ids.shape[1]
    meta_model = MetaModel.open(job.model.path, job.meta_model.dtype, job.devices[0])
    bytes_ = writing_bytes(meta_model, length)
    require_headroom(bytes_, meta_model.device, job.budget_of_a_process, CHANGE, TASK)
    style = _style(job, meta_model)
    cache = MeasurementCache(job.resources.baselines or out / SCORES_FOLDER, SINGLE_PROCESS)
    basis = _basis(meta_model, style, length, job.spec.seed)
    windows, done = list[list[int]](), 0.0

    def shown(tokens: int) -> list[JobProgress]:
        nonlocal done  # not all windows of a chunk are kept
        now = (len(windows) + rows_of_chunk(length) * tokens / length) / needed
        done = max(done, min(now, 1.0))
        return [JobProgress(Phase.writing, start + (WRITTEN - start) * done)]

    with ExitStack() as stack:
        model = None
        for number in count():
            known = cache.read(basis | {"chunk": number})
            if known is None:
                model = model or stack.enter_context(whole_model(meta_model))
                chunk = write_chunk(model, style, length, job.spec.seed, number)
                known = yield from mapped(chunk, shown)
                cache.write(basis | {"chunk": number}, known)
            windows += known
            logger.info("%d of %d windows written", min(len(windows), needed), needed)
            if len(windows) >= needed:
                return torch.tensor(windows[:needed])
            if not windows and number + 1 == _EMPTY_CHUNKS:
                raise _refused(job, "the model repeats itself in all that it writes")
    raise AssertionError("chunks do not end")


def writing_bytes(meta_model: MetaModel, length: int) -> int:
    """Return the memory of a model that writes windows of this length: weights, cache, logits."""
    config = meta_model.model.config.get_text_config(decoder=True)
    weights = sum(int(parameter.numel()) for parameter in meta_model.model.parameters())
    has_heads = getattr(config, "num_attention_heads", None) is not None
    states = numbers_of_token(config) if has_heads else 2 * config.hidden_size
    rows = rows_of_chunk(length)
    cached = rows * (length + CACHE_ROOM) * config.num_hidden_layers * states
    logits = _LOGITS * rows * config.vocab_size * torch.float32.itemsize
    needed: int = (weights + cached) * meta_model.dtype.itemsize + logits
    return needed


def _style(job: OpenedJob, meta_model: MetaModel) -> WritingStyle:
    """Return how a model writes: conversations, if its tokenizer has a chat template."""
    tokenizer = load_tokenizer(job.model.path, job.model.name)
    known = range(meta_model.config.vocab_size)
    ends = frozenset(token for token in end_tokens(meta_model.model) if token in known)
    length = job.windows.calibration.ids.shape[1]
    if getattr(tokenizer, "chat_template", None):
        before, *turns = chat_turns(tokenizer, _field(job), len(known))
        if len(before) + _SHORTEST_TURN > length:
            raise _refused(
                job,
                f"a window has {length} tokens, and the chat template begins with {len(before)}",
                "Set a larger seq_len, or name a dataset in place of the generated text.",
            )
        return WritingStyle(before, ends, tuple(turns), torch.empty(0, length))
    config = meta_model.model.config.get_text_config(decoder=True)
    first = next((token for token in (config.bos_token_id, *sorted(ends)) if token in known), None)
    if first is None:
        reason = "the model's config names no token of its vocabulary that begins or ends a text"
        raise _refused(job, reason)
    return WritingStyle((first,), ends, (), _pieces(job))


def _pieces(job: OpenedJob) -> Tensor:
    """Return the windows of the job's own text."""
    text = job.windows.calibration
    if not len(text.ids) and job.windows.recovery is not None:
        text = job.windows.recovery.training
    return text.ids[[number == 0 for number in source_numbers(text)]]


def _basis(meta_model: MetaModel, style: WritingStyle, length: int, seed: int) -> dict[str, Any]:
    """Return everything that a chunk depends on but its number, ready for JSON."""
    return model_parts(meta_model, token_loss, meta_model.device) | {
        "written": {"length": length, "seed": seed, "prompt": style.prompt, "turns": style.turns},
        "ends": sorted(style.ends),
        "pieces": ids_digest(style.pieces),
        "writing": code_digest(Path(evaluation.__path__[0])),
    }


def _refused(job: OpenedJob, reason: str, remedy: str = REMEDY) -> SpecRefusedError:
    return SpecRefusedError(_field(job), GENERATED, UNFIT, reason, remedy)


def _field(job: OpenedJob) -> str:
    """Return the field that asks for the text."""
    return next(f"mix.{place}" for place, text in enumerate(job.spec.mix) if text.generated)
