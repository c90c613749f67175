"""Models that are compared block by block are as far apart as their whole logits are."""

from contextlib import AbstractContextManager
from pathlib import Path

import pytest
import torch
from torch import Tensor
from transformers import AutoModelForCausalLM

from tests.models import FAMILIES, random_ids, write_model
from worker.evaluation.distance import WindowDistance, token_distances, window_distances
from worker.pruning.base.generators import run_to_end
from worker.pruning.model.meta_model import MetaModel

CPU = torch.device("cpu")
WINDOWS = random_ids(3, 20, seed=5)


def compare(dense: Path, pruned: Path, spill: Path) -> list[WindowDistance]:
    """Compare two folders; require that every block of both is reported once."""
    spill.mkdir()
    done: list[int] = []
    one, other = (MetaModel.open(folder, torch.float32, CPU) for folder in (dense, pruned))
    found = run_to_end(window_distances(one, other, WINDOWS, spill), done.append)
    assert done == [1, 2, 3, 4, 5, 6]
    return found


@torch.no_grad()
def whole_logits(folder: Path) -> Tensor:
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    logits: Tensor = model(WINDOWS).logits[:, :-1].double()
    return logits


@pytest.mark.parametrize(
    "family", ["llama", "llama-tied", "gemma3-hybrid", "gpt2-conv1d", "bloom-tuples"]
)
def test_distances_are_those_of_the_whole_logits(tmp_path: Path, family: str) -> None:
    dense = write_model(tmp_path / "dense", FAMILIES[family])
    pruned = write_model(tmp_path / "pruned", FAMILIES[family], seed=1)

    found = compare(dense, pruned, tmp_path / "spill")

    p, q = whole_logits(dense).log_softmax(-1), whole_logits(pruned).log_softmax(-1)
    targets = WINDOWS[:, 1:, None]
    for window, distance in enumerate(found):
        kl = (p[window].exp() * (p[window] - q[window])).sum(-1).mean()
        same = (p[window].argmax(-1) == q[window].argmax(-1)).double().mean()
        losses = [-float(log[window].gather(-1, targets[window]).mean()) for log in (p, q)]
        assert (distance.dense_loss, distance.loss) == pytest.approx(losses, rel=1e-5)
        assert distance.kl == pytest.approx(float(kl), rel=1e-4)
        assert distance.agreement == float(same)


def test_a_model_is_at_no_distance_from_itself(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "model", FAMILIES["llama"])
    for distance in compare(folder, folder, tmp_path / "spill"):
        assert (distance.kl, distance.agreement) == (0.0, 1.0)
        assert distance.dense_loss == distance.loss


def test_a_head_that_both_models_have_is_loaded_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[MetaModel] = []
    load = MetaModel.loaded_head

    def counted(model: MetaModel) -> AbstractContextManager[None]:
        loaded.append(model)
        return load(model)

    monkeypatch.setattr(MetaModel, "loaded_head", counted)
    one, other = (write_model(tmp_path / str(n), FAMILIES["llama"], seed=n) for n in range(2))
    compare(one, one, tmp_path / "same")
    assert len(loaded) == 1
    compare(one, other, tmp_path / "different")
    assert len(loaded) == 3


def test_the_divergence_is_that_from_the_dense_model_to_the_pruned_one() -> None:
    dense, pruned = torch.tensor([[0.5, 0.25, 0.25]]).log(), torch.tensor([[0.25, 0.5, 0.25]]).log()
    [[dense_loss, loss, kl, agreement]] = token_distances(dense, pruned, torch.tensor([1])).exp()
    assert (float(dense_loss), float(loss)) == pytest.approx((4, 2))
    assert float(kl) == pytest.approx(2**0.25)  # exp(0.5 ln 2 - 0.25 ln 2)
    assert float(agreement) == 1.0
