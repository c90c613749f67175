"""Learning which units to keep by trying draws of them (Bypass back-propagation)."""

from base64 import b64decode, b64encode
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from math import floor
from typing import Self

import torch
from torch import Tensor

from worker.pruning.base.errors import NotFiniteError
from worker.pruning.methods.policy import (
    baseline,
    learning_rate,
    policy_gradient,
    projected,
    starting_values,
)
from worker.pruning.structure.measures import Pgp
from worker.pruning.sweep.removal.model_units import ModelUnits, Module
from worker.pruning.sweep.removal.unit_trials import UnitTrials
from worker.pruning.sweep.results import UnitProgress

STORED_EVERY = 16
"""After how many steps the probabilities are recorded, so that no later run repeats the steps."""
_STRIDE, _SEEDS = 1_000_003, 2**63
"""Each step has its own seed, so that a resumed run draws as the run that it resumes."""
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Budget:
    """Modules of which a number of units stays in all, of those that are not lost."""

    modules: Sequence[Module]
    kept: float


@dataclass(frozen=True)
class Policy:
    """The probabilities after some steps.

    Attributes:
        probabilities: ``[n]`` fp64; the probability that each unit is kept.
        compared: what the losses of the last step were compared with; None before the first step.
    """

    probabilities: Tensor
    compared: float | None = None

    def as_json(self) -> tuple[str, float | None]:
        """Return the policy ready for JSON, all bits of the probabilities as one text."""
        return b64encode(self.probabilities.numpy().tobytes()).decode(), self.compared

    @classmethod
    def from_json(cls, fields: tuple[str, float | None]) -> Self:
        """Return the policy from its `as_json`, after conversion to JSON and back."""
        text, compared = fields
        return cls(torch.frombuffer(bytearray(b64decode(text)), dtype=torch.float64), compared)


@dataclass(frozen=True)
class Learned:
    """The probabilities ``[n]`` fp64 of all units before the first step, and after the last."""

    start: Tensor
    end: Tensor


@dataclass(frozen=True)
class PolicySearch:
    """Changes the probabilities of a model's units, step by step.

    Attributes:
        budgets: how many units stay; each module is in one of these.
        settings: how the probabilities are learned.
        trials: runs the model without some units; the progress of its run records probabilities.
    """

    units: ModelUnits
    budgets: Sequence[Budget]
    settings: Pgp
    trials: UnitTrials

    def search(self, windows: Tensor) -> Generator[UnitProgress, None, Learned]:
        """Learn the probability of each unit.

        Args:
            windows: the token ids ``[windows, tokens]`` of all ranks, of which each step takes
                some.

        Yields:
            The progress after each step, except those that an earlier run has made.

        Raises:
            NotFiniteError: a loss is NaN or infinity.
        """
        steps = self.settings.steps
        start = policy = self._recorded(0, None, windows)
        for first in range(0, steps, STORED_EVERY):
            last = min(first + STORED_EVERY, steps)
            if not self.trials.run.progress.is_measured(_name(last)):
                for step in range(first, last):
                    policy = self.step(policy, step, windows)
                    yield UnitProgress(step + 1, steps)
            policy = self._recorded(last, policy, windows)
        return Learned(start.probabilities, policy.probabilities)

    def step(self, policy: Policy, step: int, windows: Tensor) -> Policy:
        """Return the policy after one more step."""
        settings, probabilities = self.settings, policy.probabilities
        draw = settings.seed + (settings.first_step + step) * _STRIDE
        generator = torch.Generator().manual_seed(draw % _SEEDS)
        drawn = torch.randperm(len(windows), generator=generator)[: settings.windows]
        chances = torch.rand(settings.masks, self.units.count, generator=generator).double()
        masks = (chances < probabilities).double()
        losses = torch.tensor(self.trials.losses(windows[drawn], masks), dtype=torch.float64)
        if not bool(losses.isfinite().all()):
            raise NotFiniteError("the loss of the model without some units")
        compared = baseline(policy.compared, losses)
        gradient = policy_gradient(losses, masks, probabilities, compared)
        rate = learning_rate(settings.learning_rate, step, settings.steps)
        changed = self._within_budgets(probabilities - rate * gradient)
        return Policy(changed, compared)

    def _recorded(self, steps: int, policy: Policy | None, windows: Tensor) -> Policy:
        """Return the recorded policy after so many steps; if there is none, record this one.

        None stands for the policy before the first step.
        """

        def known() -> tuple[str, float | None]:
            return (policy or self._start(windows)).as_json()

        return Policy.from_json(self.trials.run.progress.measure_once(_name(steps), known))

    def _start(self, windows: Tensor) -> Policy:
        """Return the probabilities of an earlier search, or those that follow from scores.

        They are 0 for units that are lost.
        """
        if self.settings.start is not None:
            earlier = torch.tensor(self.settings.start, dtype=torch.float64)
            return Policy(self._within_budgets(earlier))
        shares = {
            (module.block, module.name): budget.kept / sum(map(self.units.left, budget.modules))
            for budget in self.budgets
            for module in budget.modules
        }
        kept: list[dict[str, int]] = [{} for _ in self.units.of_block]
        for module in self.units.modules:
            left, share = self.units.left(module), shares[module.block, module.name]
            kept[module.block][module.name] = left - floor((1 - share) * left + _ROUNDING)
        scores = self.trials.scores(windows[: self.settings.scored], kept)
        probabilities = torch.zeros(self.units.count, dtype=torch.float64)
        for module in self.units.modules:
            is_left, share = ~module.of(self.units.lost), shares[module.block, module.name]
            own = scores[module.block][module.name][is_left]
            module.of(probabilities)[is_left] = starting_values(own, share)
        return Policy(probabilities)

    def _within_budgets(self, values: Tensor) -> Tensor:
        """Return the probabilities nearest to ``values [n]`` that exceed no budget."""
        probabilities = values.clone()
        for budget in self.budgets:
            own = projected(
                torch.cat([module.of(values) for module in budget.modules]), budget.kept
            )
            parts = torch.split(own, [module.units.count for module in budget.modules])
            for module, part in zip(budget.modules, parts, strict=True):
                module.of(probabilities).copy_(part)
        return probabilities


def _name(steps: int) -> str:
    """Return the name under which the policy after so many steps is recorded."""
    return f"probabilities {steps}"
