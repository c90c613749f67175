"""The optimizer of a recovery: AdamW, and each kind's own updates before and after a step."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

from worker.pruning.base.errors import NotFiniteError
from worker.pruning.distributed.ranks import SINGLE_PROCESS, Ranks
from worker.recovery.settings import Recovery
from worker.recovery.sharding import divided_like, gathered, own_part
from worker.recovery.student import Student

_BETAS = (0.9, 0.95)
_CLIP = 1.0  # largest norm of all gradients together
_FINAL = 0.1  # of the highest learning rate


def schedule(step: int, steps: int, warmup: float) -> float:
    """Return the learning rate of a step, relative to the peak learning rate.

    The rate rises linearly to 1, and then falls along a cosine to a tenth.

    Args:
        step: index of the step, from 0.
        steps: number of all steps.
        warmup: share of the steps in which the rate rises.
    """
    rising = warmup_steps(steps, warmup)
    if step < rising:
        return (step + 1) / rising
    share = (step - rising + 1) / max(1, steps - rising)
    return _FINAL + (1 - _FINAL) * (1 + math.cos(math.pi * share)) / 2


def warmup_steps(steps: int, warmup: float) -> int:
    """Return in how many of the first steps the learning rate rises: in this share, at least 1."""
    return max(1, round(steps * warmup))


class Optimizer:
    """Makes the steps of a student's training.

    Args:
        student: the model.
        recovery: the settings. If they set no learning rate, a default is used that depends on the
            kind and on ``parameters``.
        parameters: number of parameters of the whole model.
        steps: number of all steps.
        ranks: the processes that share the windows of each step.
    """

    def __init__(
        self,
        student: Student,
        recovery: Recovery,
        parameters: int,
        steps: int,
        ranks: Ranks = SINGLE_PROCESS,
    ) -> None:
        self._student, self._recovery, self._steps = student, recovery, steps
        self._ranks = ranks
        self._trained = {
            name: parameter
            for name, parameter in student.named_parameters()
            if parameter.requires_grad
        }
        norms = {name for name in self._trained if "norms." in name}
        self._rates = recovery.rates(parameters)
        matrices = [parameter for name, parameter in self._trained.items() if name not in norms]
        groups: list[dict[str, Any]] = [
            {"params": matrices, "weight_decay": recovery.weight_decay},
            {"params": [parameter for name, parameter in self._trained.items() if name in norms]},
        ]
        self._adam = torch.optim.AdamW(
            groups,
            betas=_BETAS,
            weight_decay=0.0,
            foreach=False,  # its temporaries would be as large as all parameters
        )

    def step(self, step: int, tokens: int) -> None:
        """Make a step with the gradients of the summed losses, then delete these gradients.

        Args:
            step: index of the step, from 0.
            tokens: number of predicted tokens whose losses were summed, over all ranks.

        Raises:
            NotFiniteError: the norm of all gradients together is not finite.
        """
        factor = schedule(step, self._steps, self._recovery.warmup)
        for group, rate in zip(self._adam.param_groups, self._rates, strict=True):
            group["lr"] = rate * factor
        for matrix in self._student.parametrizations():
            matrix.mask_gradients()
        self._scale_gradients(step, tokens)
        for matrix in self._student.parametrizations():
            matrix.add_decay(step, self._steps)
        self._adam.step()
        self._adam.zero_grad()
        for matrix in self._student.parametrizations():
            matrix.after_step(step)

    def weights(self) -> dict[str, Tensor]:
        """Return the trained parameters and the masks that change, by name.

        All ranks have to call this; rank 0 gets the tensors, the others an empty dict.
        """
        return self._on_main(
            {name: parameter.detach() for name, parameter in self._trained.items()}
        ) | (self._masks() if self._ranks.is_main else {})

    def moments(self) -> dict[str, Tensor]:
        """Return the optimizer's state of each trained parameter, by name.

        All ranks have to call this; rank 0 gets the tensors, the others an empty dict.
        """
        return self._on_main(
            {
                f"{name}.{key}": value
                for name, parameter in self._trained.items()
                for key, value in self._adam.state.get(parameter, {}).items()
            }
        )

    @torch.no_grad()
    def load_weights(self, weights: Mapping[str, Tensor]) -> None:
        """Set the student's parameters and masks to those that `weights` returned on rank 0."""
        for name, parameter in self._trained.items():
            whole = weights[name].to(parameter.device)
            own_part(parameter).copy_(own_part(divided_like(whole, parameter)))
        for name, mask in self._masks().items():
            mask.copy_(weights[name])

    def load_moments(self, moments: Mapping[str, Tensor]) -> None:
        """Restore the state that `moments` returned on rank 0.

        A parameter that never had a gradient has no state.
        """
        for name, parameter in self._trained.items():
            prefix = f"{name}."
            own = {
                key.removeprefix(prefix): value
                for key, value in moments.items()
                if key.startswith(prefix)
            }
            if own:
                self._adam.state[parameter] = {
                    key: divided_like(value.to(parameter.device), parameter)
                    if value.ndim
                    else value
                    for key, value in own.items()
                }

    def _on_main(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Gather each tensor from all ranks; return all on rank 0, and an empty dict elsewhere."""
        whole_tensors = {}
        for name, tensor in tensors.items():
            whole = gathered(tensor)
            if self._ranks.is_main:
                whole_tensors[name] = whole.cpu() if self._ranks.size > 1 else whole
        return whole_tensors

    def _masks(self) -> dict[str, Tensor]:
        state = self._student.state_dict()
        return {name: tensor for name, tensor in state.items() if name.endswith(".keep")}

    def _scale_gradients(self, step: int, tokens: int) -> None:
        """Divide the gradients by the number of tokens, and clip their norm."""
        divided, whole = [], [norm.grad for norm in self._student.norms if norm.grad is not None]
        for gradient in whole:
            gradient.copy_(self._ranks.all_reduce(gradient))
        outside = {id(norm) for norm in self._student.norms}
        for parameter in self._trained.values():
            if parameter.grad is not None and id(parameter) not in outside:
                divided.append(own_part(parameter.grad))
        square = self._ranks.all_reduce(_square(divided)) + _square(whole)
        norm = math.sqrt(float(square)) / tokens
        if not math.isfinite(norm):
            raise NotFiniteError(f"the gradient of training step {step + 1}")
        for gradient in (*divided, *whole):
            gradient.mul_(_CLIP / max(norm, _CLIP) / tokens)


def _square(tensors: Iterable[Tensor]) -> Tensor:
    """Return the sum of the squares of all entries of the tensors, fp64 on the CPU.

    Only the sum is read, so that a GPU is waited for once.
    """
    squares = (torch.linalg.vector_norm(tensor).double().square() for tensor in tensors)
    return torch.as_tensor(sum(squares), dtype=torch.float64).cpu()
