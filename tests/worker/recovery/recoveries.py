"""Running a whole recovery of a small model that has learned something, for tests of its result."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, PreTrainedModel

from tests.models import FAMILIES, VOCABULARY, random_ids
from tests.worker.work import kill_process
from worker.evaluation.perplexity import token_loss
from worker.pruning.base.durable_files import sha256
from worker.pruning.base.generators import run_to_end
from worker.pruning.distributed.ranks import SINGLE_PROCESS, Ranks
from worker.pruning.methods.patterns import NofM, Pattern, Unstructured
from worker.pruning.methods.registry import get_scorer
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.sweep.pipeline import ModelPruner
from worker.pruning.sweep.recipe.recipe import Recipe
from worker.recovery import settings
from worker.recovery.recover import ModelRecovery
from worker.recovery.results import RecoveryProgress, RecoveryResult
from worker.recovery.settings import KINDS, Kind, Recovery

CPU = torch.device("cpu")
TOKENS = 16
SPARSE, TWO_OF_FOUR = Unstructured(0.8), NofM(2, 4)
STEPS = 20
BATCH_TOKENS = 64
RATES: dict[Kind, float] = {
    "masked": 3e-3,
    "ast": 3e-3,
    "mask_lora": 3e-3,
    "spp": 3e-2,
    "router": 1e-2,
}
OF_MATRICES = tuple(kind for kind in KINDS if kind != "router")


@dataclass(frozen=True)
class Finished:
    """A recovery that came to its end: its folder, its result and all progress that it reported."""

    out: Path
    result: RecoveryResult
    progress: list[RecoveryProgress]


Recovered = Callable[[Kind], Finished]


def text(windows: int, seed: int) -> Tensor:
    """Return windows ``[windows, 16]`` in which the first token decides all others."""
    first = random_ids(windows, 1, seed)
    return (first + 7 * torch.arange(TOKENS)) % VOCABULARY


TRAINING, HELD_OUT, EVALUATION = text(40, seed=1), text(8, seed=2), text(4, seed=3)


@dataclass(frozen=True)
class Models:
    """The folders of a dense model and of the pruned one."""

    dense: Path
    pruned: Path
    pattern: Pattern
    pruned_loss: float | None = None


def write_trained_model(folder: Path) -> Path:
    """Write a small Llama that has learned to continue texts."""
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(FAMILIES["llama"], dtype=torch.float32)
    teach(model, steps=60)
    model.save_pretrained(folder, max_shard_size="40KB")
    return folder


def teach(model: PreTrainedModel, steps: int) -> None:
    """Let a model learn to continue texts."""
    adam, ids = torch.optim.AdamW(model.parameters(), 1e-2), text(96, seed=0)
    for _ in range(steps):
        adam.zero_grad()
        logits = model(ids, use_cache=False).logits[:, :-1].flatten(0, 1)
        torch.autograd.backward(token_loss(logits, ids[:, 1:].flatten()).mean())
        adam.step()


def prune(
    dense: Path, pruned: Path, pattern: Pattern = SPARSE, skip: tuple[str, ...] = ()
) -> Models:
    """Prune a model by magnitude, computing in float32."""
    pruned.mkdir()
    recipe = Recipe(get_scorer("magnitude"), pattern, skip=skip)
    meta_model = MetaModel.open(dense, torch.float32, CPU)
    sweep = ModelPruner(meta_model, recipe, TRAINING[:2], EVALUATION, pruned, token_loss)
    return Models(dense, pruned, pattern, run_to_end(sweep.run()).pruned_loss)


def recovery_of(kind: Kind, steps: int = STEPS) -> Recovery:
    """Return a recovery whose steps, of four windows each, are large enough for a small model."""
    return recovery_settings(kind, BATCH_TOKENS * steps, RATES[kind])


def recovery_settings(
    kind: Kind = "masked",
    tokens: int = 262_144,
    learning_rate: float | None = None,
    kl: float = 0.67,
    temperature: float = 2.0,
    *,
    rounds: bool = False,
    skip: int = 0,
) -> Recovery:
    """Return a recovery that teaches by text and by the dense model, if a test says no more."""
    return Recovery(kind, tokens, learning_rate, kl, temperature, rounds, skip)


def open_recovery(
    models: Models,
    out: Path,
    recovery: Recovery,
    dtype: torch.dtype = torch.float32,
    seed: int = 0,
    ranks: Ranks = SINGLE_PROCESS,
    device: torch.device = CPU,
    known: Path | None = None,
) -> ModelRecovery:
    """Open a recovery of the pruned model into ``out``."""
    out.mkdir(exist_ok=True, parents=True)
    return ModelRecovery(
        MetaModel.open(models.dense, dtype, device),
        MetaModel.open(models.pruned, dtype, device)
        if (models.pruned / "config.json").exists()
        else MetaModel.open(models.dense, dtype, device, weights=models.pruned),
        recovery,
        models.pattern,
        TRAINING,
        HELD_OUT,
        EVALUATION,
        out,
        token_loss,
        seed=seed,
        ranks=ranks,
        known=known,
    )


def recover_until(models: Models, out: Path, recovery: Recovery, step: int) -> None:
    """Recover, and end this process by signal 9 after a step of the training."""
    settings._FEWEST_BATCH_TOKENS = BATCH_TOKENS  # as in all tests of recoveries
    for progress in open_recovery(models, out, recovery).run():
        if (progress.stage, progress.step) == ("training", step):
            kill_process()


def finish(
    recovery: ModelRecovery, after: Callable[[RecoveryProgress], object] = lambda _: None
) -> RecoveryResult:
    """Run a recovery to its end; ``after`` is called with each progress."""
    return run_to_end(recovery.run(), after)


def digests(out: Path) -> dict[str, str]:
    """Return the digests of the shards and of their index."""
    return {path.name: sha256(path) for path in sorted(out.glob("model*"))}


def matrices(models: Models, tensors: dict[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    """Yield the tensors of the pruned matrices."""
    prefix = MetaModel.open(models.dense, torch.float32, CPU).prefix
    for name, value in tensors.items():
        if name.startswith(f"{prefix}.") and value.ndim == 2:
            yield name, value
