"""The steps of the policy search equal those of a plain writing on the whole model."""

import json
from copy import deepcopy
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, LlamaForCausalLM

from tests.models import FAMILIES, random_ids, write_model
from tests.worker.pruning.sweeps import model_run
from worker.evaluation.perplexity import token_loss
from worker.pruning.base.generators import run_to_end
from worker.pruning.structure.measured_units import MeasuredUnits
from worker.pruning.structure.measures import Pgp
from worker.pruning.sweep.removal.model_units import ModelUnits
from worker.pruning.sweep.removal.policy_search import Budget, Policy, PolicySearch
from worker.pruning.sweep.removal.unit_trials import UnitTrials

WINDOWS = random_ids(12, 16, seed=3)
SETTINGS = Pgp(steps=6, windows=4, tokens=16, scored=8)
KEPT = {True: 4.2, False: 100.5}
"""How many heads, and how many channels, stay in all."""


@dataclass(frozen=True)
class RecordedTrials(UnitTrials):
    """Trials that also keep what they were given and what they have measured."""

    seen: list[tuple[Tensor, Tensor, list[float]]] = field(default_factory=list)

    def losses(self, windows: Tensor, masks: Tensor) -> list[float]:
        found = super().losses(windows, masks)
        self.seen.append((windows, masks, found))
        return found


def open_search(
    folder: Path, out: Path, settings: Pgp = SETTINGS
) -> tuple[PolicySearch, RecordedTrials]:
    run = model_run(folder, out, batch_tokens=3 * WINDOWS.shape[1])
    units = ModelUnits(run.meta_model, MeasuredUnits(0.3, settings, uniform=False))
    trials = RecordedTrials(run, units)
    budgets = [Budget(units.of_kind(heads), kept) for heads, kept in KEPT.items()]
    return PolicySearch(units, budgets, settings, trials), trials


@torch.no_grad()
def loss_without(dense: LlamaForCausalLM, mask: Tensor, ids: Tensor) -> float:
    """Return the mean loss of a model that lacks the units of which the mask is 0."""
    model = deepcopy(dense)
    for layer, own in zip(model.model.layers, torch.split(mask, 50), strict=True):
        for head in (own[:2] == 0).nonzero()[:, 0].tolist():
            layer.self_attn.o_proj.weight[:, 16 * head : 16 * head + 16] = 0
        layer.mlp.down_proj.weight[:, own[2:] == 0] = 0
    logits = model(ids).logits
    return float(token_loss(logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten()).double().mean())


def plain_projection(values: list[float], most: float) -> list[float]:
    """Return clip(value − shift, 0, 1), with the smallest shift from 0 for which Σ ≤ most."""
    if sum(min(max(one, 0.0), 1.0) for one in values) <= most:
        return [min(max(one, 0.0), 1.0) for one in values]
    low, high = 0.0, max(values)
    for _ in range(200):
        middle = (low + high) / 2
        if sum(min(max(one - middle, 0.0), 1.0) for one in values) > most:
            low = middle
        else:
            high = middle
    return [min(max(one - low, 0.0), 1.0) for one in values]


def within_budgets(values: list[float]) -> list[float]:
    """Project the heads, which are the first two of the 50 units of a layer, and the channels."""
    found = values.copy()
    for is_head, kept in KEPT.items():
        places = [place for place in range(150) if (place % 50 < 2) == is_head]
        projected = plain_projection([values[place] for place in places], kept)
        for place, one in zip(places, projected, strict=True):
            found[place] = one
    return found


def record(inputs: list[Tensor], _: torch.nn.Module, given: tuple[Tensor, ...]) -> None:
    inputs.append(given[0])


@torch.no_grad()
def starting_scores(model: LlamaForCausalLM) -> list[list[float]]:
    """Return Σ meanⱼ |Wⱼᵢ| ‖Xᵢ‖ of each unit of each reader, over all inputs i of a head.

    Each layer gets the outputs of the layers before it without their lowest units, of which as many
    go, rounded down, as the budgets say.
    """
    pruned, found = deepcopy(model), list[list[float]]()
    for layer in pruned.model.layers:
        readers, inputs = [layer.self_attn.o_proj, layer.mlp.down_proj], list[Tensor]()
        handles = [one.register_forward_pre_hook(partial(record, inputs)) for one in readers]
        pruned(WINDOWS[:8])
        for handle in handles:
            handle.remove()
        for reader, given, share in zip(readers, inputs, (4.2 / 6, 100.5 / 144), strict=True):
            norms = given.flatten(0, 1).square().sum(0).sqrt()
            columns = reader.weight.abs().mean(0) * norms
            scores = columns.view(2 if reader is readers[0] else 48, -1).sum(1)
            found.append(scores.tolist())
            lost = scores.argsort()[: int((1 - share) * len(scores))]
            width = len(columns) // len(scores)
            reader.weight.view(len(reader.weight), -1, width)[:, lost] = 0
    return found


@torch.no_grad()
def test_a_plain_writing_on_the_whole_model_makes_the_same_steps(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "dense", FAMILIES["llama"])
    dense = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    search, trials = open_search(folder, tmp_path / "out")

    found = run_to_end(search.search(WINDOWS))

    s = list[float]()
    for scores in starting_scores(dense):
        mean = sum(scores) / len(scores)
        spread = (sum((one - mean) ** 2 for one in scores) / (len(scores) - 1)) ** 0.5
        sigmoids = [1 / (1 + torch.e ** (-(one - mean) / spread)) for one in scores]
        share = KEPT[True] / 6 if len(scores) == 2 else KEPT[False] / 144
        shift = share - sum(sigmoids) / len(sigmoids)
        s += [min(max(one + shift, 0.0), 1.0) for one in sigmoids]
    assert found.start.tolist() == pytest.approx(s, abs=1e-5)
    b = None
    assert len(trials.seen) == SETTINGS.steps
    for step, (ids, masks, measured) in enumerate(trials.seen):
        losses = [loss_without(dense, mask, ids) for mask in masks]
        assert measured == pytest.approx(losses, rel=1e-5)
        mean, draws = sum(losses) / len(losses), len(losses)
        b = mean if b is None else 0.8 * b + 0.2 * mean
        highest, phase = SETTINGS.learning_rate, torch.tensor(torch.pi * step / SETTINGS.steps)
        rate = highest * (1 + float(torch.cos(phase.double()))) / 2
        moved = []
        for unit, one in enumerate(s):
            total = sum(
                (loss - b) * (float(mask[unit]) - one)
                for loss, mask in zip(losses, masks, strict=True)
            )
            spread = ((one + 1e-7) * (1 - one + 1e-7)) ** 0.5
            moved.append(one - rate * total / spread / (draws - 1))
        s = within_budgets(moved)
    moved_by = (found.end - found.start).abs()
    assert float(moved_by.max()) > 2e-3
    assert found.end.tolist() == pytest.approx(s, abs=1e-5)
    heads = torch.arange(150) % 50 < 2
    assert float(found.end[heads].sum()) <= KEPT[True] + 1e-9
    assert float(found.end[~heads].sum()) <= KEPT[False] + 1e-9


@torch.no_grad()
def test_each_step_draws_other_units_and_windows_by_the_seed(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "dense", FAMILIES["llama"])
    search, trials = open_search(folder, tmp_path / "out")
    policy = Policy(torch.full((150,), 0.5, dtype=torch.float64))
    for step in (0, 1, 0):
        search.step(policy, step, WINDOWS)
    (windows, masks, _), (others, tried, _), (again, same, _) = trials.seen
    assert torch.equal(windows, again)
    assert torch.equal(masks, same)
    assert not torch.equal(windows, others)
    assert not torch.equal(masks, tried)
    assert masks.shape == (SETTINGS.masks, 150)
    assert not torch.equal(masks[0], masks[1])


@torch.no_grad()
def test_a_search_starts_from_the_earlier_probabilities_within_its_own_budgets(
    tmp_path: Path,
) -> None:
    folder = write_model(tmp_path / "dense", FAMILIES["llama"])
    values = torch.rand(150, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    earlier = (values / values.max()).pow(0.25).tolist()
    assert sum(earlier) > sum(KEPT.values())
    search, _ = open_search(folder, tmp_path / "out", replace(SETTINGS, start=tuple(earlier)))
    found = run_to_end(search.search(WINDOWS))
    assert found.start.tolist() == pytest.approx(within_budgets(earlier), abs=1e-9)
    scored, _ = open_search(folder, tmp_path / "scored")
    assert run_to_end(scored.search(WINDOWS)).start.tolist() != found.start.tolist()


def test_a_policy_keeps_all_bits_in_the_log() -> None:
    values = torch.rand(50, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    policy = Policy(values, 1 / 3)
    again = Policy.from_json(json.loads(json.dumps(policy.as_json())))
    assert torch.equal(again.probabilities, values)
    assert again.compared == policy.compared


@torch.no_grad()
def test_a_model_is_the_dense_one_again_after_a_trial(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "dense", FAMILIES["llama"])
    _, trials = open_search(folder, tmp_path / "out")
    all_units, few = torch.ones(1, 150), torch.zeros(1, 150)
    few[0, ::3] = 1
    whole, without, both = (
        trials.losses(WINDOWS, masks) for masks in (all_units, few, torch.cat([few, all_units]))
    )
    assert without[0] != pytest.approx(whole[0], rel=1e-3)
    assert both == pytest.approx([*without, *whole], rel=1e-6)
