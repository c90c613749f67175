"""Learning which units to keep by trying draws of them (Bypass back-propagation)."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from worker.pruning.base.errors import NotFiniteError
from worker.pruning.methods.policy import (
    REMEMBERED,
    baseline,
    learning_rate,
    policy_gradient,
    projected,
    starting_values,
)
from worker.pruning.structure.measures import Pgp
from worker.pruning.sweep.progress import Progress
from worker.pruning.sweep.removal.model_units import Module, ModelUnits
from worker.pruning.sweep.removal.unit_trials import UnitTrials
from worker.pruning.sweep.results import UnitProgress

STORED_EVERY = 16
"""After how many steps the probabilities are recorded, so that no later run repeats the steps."""
_STRIDE, _SEEDS = 1_000_003, 2**63
"""Each step has its own seed, so that a resumed run draws as the run that it resumes."""


@dataclass(frozen=True)
class Budget:
    """Modules of which a number of units stays in all."""

    modules: Sequence[Module]
    kept: float


@dataclass(frozen=True)
class PolicySearch:
    """Changes the probabilities of a model's units, step by step.

    Attributes:
        units: the units of the model.
        budgets: how many units stay; each module is in one of these.
        settings: how the probabilities are learned.
        trials: runs the model without some units.
        progress: records the probabilities.
    """

    units: ModelUnits
    budgets: Sequence[Budget]
    settings: Pgp
    trials: UnitTrials
    progress: Progress

    def search(self, windows: Tensor) -> Generator[UnitProgress, None, Tensor]:
        """Return the probability of each unit, ``[n]`` fp64.

        Args:
            windows: the token ids ``[windows, tokens]`` of all ranks, of which each step takes
                some.

        Yields:
            The progress after each step, except those that an earlier run has made.

        Raises:
            NotFiniteError: a loss is NaN or infinity.
        """
        steps = self.settings.steps
        state = self.progress.measure_once("probabilities 0", lambda: self._start(windows))
        for first in range(0, steps, STORED_EVERY):
            last = min(first + STORED_EVERY, steps)
            if not self.progress.is_measured(name := f"probabilities {last}"):
                for step in range(first, last):
                    state = self.step(state, step, windows)
                    yield UnitProgress(step + 1, steps)
            state = _recorded(self.progress, name, state)
        return torch.tensor(state["probabilities"], dtype=torch.float64)

    def step(self, state: dict[str, Any], step: int, windows: Tensor) -> dict[str, Any]:
        """Return the probabilities, and the last mean losses, after one more step."""
        settings, earlier = self.settings, state["losses"]
        probabilities = torch.tensor(state["probabilities"], dtype=torch.float64)
        generator = torch.Generator().manual_seed((settings.seed + step * _STRIDE) % _SEEDS)
        drawn = torch.randperm(len(windows), generator=generator)[: settings.windows]
        chances = torch.rand(settings.masks, self.units.count, generator=generator).double()
        masks = (chances < probabilities).double()
        losses = torch.tensor(self.trials.losses(windows[drawn], masks), dtype=torch.float64)
        if not bool(losses.isfinite().all()):
            raise NotFiniteError("the loss of the model without some units")
        gradient = policy_gradient(losses, masks, probabilities, baseline(earlier, losses))
        rate = learning_rate(settings.learning_rate, step, settings.steps)
        changed = self._within_budgets(probabilities - rate * gradient)
        remembered = [*earlier, float(losses.mean())][-REMEMBERED:]
        return {"probabilities": changed.tolist(), "losses": remembered}

    def _start(self, windows: Tensor) -> dict[str, Any]:
        scores = self.trials.scores(windows[: self.settings.scored])
        values = torch.cat([starting_values(scores[one.block][one.name]) for one in self.modules])
        return {"probabilities": self._within_budgets(values).tolist(), "losses": []}

    @property
    def modules(self) -> Sequence[Module]:
        """All modules with units."""
        return self.units.modules

    def _within_budgets(self, values: Tensor) -> Tensor:
        """Return the probabilities nearest to ``values [n]`` that meet all budgets."""
        found = values.clone()
        for budget in self.budgets:
            own = projected(torch.cat([one.of(values) for one in budget.modules]), budget.kept)
            parts = own.split([one.units.count for one in budget.modules])
            for one, part in zip(budget.modules, parts, strict=True):
                one.of(found).copy_(part)
        return found


def _recorded(progress: Progress, name: str, state: dict[str, Any]) -> dict[str, Any]:
    return progress.measure_once(name, lambda: state)
