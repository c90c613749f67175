"""The work of a trial: the dense and the pruned model of a finished job continue a prompt."""

from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from db.core.errors import SpecRefusedError
from db.core.states import Phase
from db.spec.descriptions.option import UNFIT
from db.spec.inputs.references import HubRepo
from db.spec.options.experts import copies_weights
from db.spec.prune_spec import PruneSpec
from db.spec.trials import TrialRequest
from worker.evaluation.generation import end_tokens, next_tokens, runnable_model
from worker.jobs.progress import JobProgress, JobResult
from worker.jobs.resources import Resources
from worker.jobs.trials.tried_model import TriedModel
from worker.jobs.windows import position_limit
from worker.pruning.base.compute import compute_device, compute_dtype
from worker.pruning.distributed.launcher import rank_devices
from worker.pruning.model.meta_model import MetaModel
from worker.sources.models import ModelFolder, fetch_model
from worker.sources.tokenizer import load_tokenizer

_OPENED = 0.1
"""The share of the work that is done before the first token."""


def answer(
    spec: PruneSpec, request: TrialRequest, tried: TriedModel, resources: Resources
) -> Generator[JobProgress, None, JobResult]:
    """Have both models continue the prompt; return the texts as the metrics of the job.

    Args:
        spec: names the dense model and the dtype.
        request: the prompt, and how it is continued.
        tried: the pruned model.
        resources: folders, devices and memory that the job may use.

    Yields:
        Progress after each token, where the job may be interrupted.

    Raises:
        SpecRefusedError: the dense model cannot be used, or the prompt is too long for a model.
    """
    yield JobProgress(Phase.resolving, 0.0)
    device = rank_devices(compute_device(resources.device), 1)[0]
    model = _dense_model(spec, tried, resources)
    yield JobProgress(Phase.loading, _OPENED / 2)
    dtype = compute_dtype(spec.dtype, device)
    dense = MetaModel.open(model.path, dtype, device)
    # Its own config describes a model from which units or blocks were removed.
    pruned = MetaModel.open(tried.folder, dtype, device, weights=tried.folder)
    whole = _tokenizer(model.path, model.name)
    own = whole if spec.vocabulary is None else _tokenizer(tried.folder, model.name)
    asked = {
        "dense": (dense, whole, _encoded(request, whole, dense)),
        "pruned": (pruned, own, _encoded(request, own, pruned)),
    }
    texts: dict[str, str] = {}
    for name, (meta_model, tokenizer, ids) in asked.items():
        start = _OPENED + (1 - _OPENED) * len(texts) / 2
        budget = resources.memory_budget_bytes
        written = yield from _continued(meta_model, ids, request, start, budget)
        texts[name] = tokenizer.decode(written)
    return JobResult(texts, has_files=False)


def _dense_model(spec: PruneSpec, tried: TriedModel, resources: Resources) -> ModelFolder:
    """Return the dense model; of a model on the hub, the commit that was pruned."""
    reference = resources.model_reference(spec)
    if isinstance(reference, HubRepo) and tried.revision is not None:
        reference = replace(reference, revision=tried.revision)
    secret = resources.model_secret()
    return fetch_model(reference, secret, may_be_scaled=copies_weights(spec))


def _tokenizer(folder: Path, model: str) -> Any:
    """Return the tokenizer in a folder; of a job with ``vocabulary``, each model has its own."""
    if (tokenizer := load_tokenizer(folder, model)) is None:
        reason, remedy = "the model has no tokenizer", "Name a model with a tokenizer."
        raise SpecRefusedError("model", model, "no_tokenizer", reason, remedy)
    return tokenizer


def _encoded(request: TrialRequest, tokenizer: Any, meta_model: MetaModel) -> Tensor:
    """Return the token ids ``[n]`` of the prompt."""
    ids = torch.tensor(tokenizer(request.prompt)["input_ids"], dtype=torch.int64)
    room = position_limit(meta_model) - request.max_tokens
    if not 0 < len(ids) <= room:
        reason = f"it has {len(ids)} tokens, and the model can continue 1 to {room}"
        remedy = "Shorten the prompt, or set a smaller max_tokens."
        raise SpecRefusedError("prompt", request.prompt[:100], UNFIT, reason, remedy)
    return ids


def _continued(
    meta_model: MetaModel,
    ids: Tensor,
    request: TrialRequest,
    start: float,
    budget_bytes: int | None,
) -> Generator[JobProgress, None, list[int]]:
    """Return the tokens with which a model continues the prompt.

    ``start`` is the share of the work that is done before, and ``budget_bytes`` the maximum memory
    of the process.
    """
    yield JobProgress(Phase.evaluating, start)
    drawn = None if request.seed is None else torch.Generator().manual_seed(request.seed)
    written: list[int] = []
    with runnable_model(meta_model, budget_bytes) as model:
        for token in next_tokens(model, ids, request.max_tokens, end_tokens(model), drawn):
            written.append(token)
            share = len(written) / request.max_tokens
            yield JobProgress(Phase.evaluating, start + (1 - _OPENED) / 2 * share)
    return written
