"""The settings of a recovery.

Some defaults depend on its kind, on the size of the model, or on the number of tokens.
"""

import math
from dataclasses import dataclass
from typing import Literal, get_args

Kind = Literal["masked", "mask_lora", "spp", "ast", "router"]
KINDS: tuple[Kind, ...] = get_args(Kind)

_SMALL, _LARGE = 500e6, 7e9  # parameters
_SMALL_RATE, _LARGE_RATE = 3e-4, 2e-5  # of training whole weights
_OTHER_RATES = {"mask_lora": 5e-4, "spp": 4e-3, "router": 5e-5}
_WARMUP, _SPP_WARMUP = 0.05, 0.03  # share of the steps
_SPP_DECAY = 1e-3
_FEWEST_BATCH_TOKENS, _MOST_BATCH_TOKENS = 2_048, 131_072
_STEPS = 256  # from this number on, batches grow instead of the number of steps


@dataclass(frozen=True)
class Recovery:
    """How a pruned model is trained.

    Attributes:
        kind: ``masked`` trains all kept weights, ``mask_lora`` and ``spp`` train adapters with few
            parameters, ``ast`` trains all weights with a mask that may change, ``router`` trains
            the routers of experts and nothing else.
        tokens: number of training tokens, those of repeated windows included.
        learning_rate: the peak learning rate; None for the default, which depends on the kind and
            the model's size.
        kl: coefficient of the loss term for the divergence from the dense model, from 0 to 1; the
            term for the cross-entropy of the text has the coefficient ``1 - kl``.
        temperature: the softmax temperature of both models in the divergence.
        rounds: whether the pruned model is quantised; its weights are then rounded in each forward,
            with the scales that they have, and gradients pass straight through. Only ``masked``.
        skip: how many predicted tokens at the beginning of each window are left out of the loss.

    Raises:
        ValueError: a value is out of range.
    """

    kind: Kind
    tokens: int
    learning_rate: float | None
    kl: float
    temperature: float
    rounds: bool
    skip: int

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind {self.kind!r} is unknown; choose one of {', '.join(KINDS)}")
        if self.rounds and self.kind != "masked":
            raise ValueError(f"kind {self.kind!r} does not train quantised weights; choose masked")
        if self.tokens < 1:
            raise ValueError(f"tokens {self.tokens} is less than 1; give more training tokens")
        if self.learning_rate is not None and not 0 < self.learning_rate <= 1:
            raise ValueError(
                f"learning_rate {self.learning_rate} is not above 0 and at most 1; "
                "give one in between, or none for the default"
            )
        if not 0 <= self.kl <= 1:
            raise ValueError(f"kl {self.kl} is not from 0 to 1; give a weight in between")
        if not 0 < self.temperature <= 100:
            raise ValueError(
                f"temperature {self.temperature} is not above 0 and at most 100; "
                "give one in between, such as 2"
            )

    @property
    def changes_mask(self) -> bool:
        """Whether the mask is chosen again in the training.

        The pruned weights then start with their values in the dense model.
        """
        return self.kind == "ast"

    @property
    def only_routers(self) -> bool:
        """Whether matrices and norms are fixed, and the routers of experts are trained."""
        return self.kind == "router"

    @property
    def warmup(self) -> float:
        """Share of the steps in which the learning rate rises."""
        return _SPP_WARMUP if self.kind == "spp" else _WARMUP

    @property
    def weight_decay(self) -> float:
        """Decoupled weight decay of the adapters or weights; norms are not decayed."""
        return _SPP_DECAY if self.kind == "spp" else 0.0

    def rates(self, parameters: int) -> tuple[float, float]:
        """Return the peak learning rates of matrices and of norms.

        The rate of norms is that of the matrices, but at most the default rate of the kind
        ``masked``.

        Args:
            parameters: number of the model's parameters.
        """
        rate = self.learning_rate or default_learning_rate(self.kind, parameters)
        return rate, min(rate, default_learning_rate("masked", parameters))


def default_learning_rate(kind: Kind, parameters: int) -> float:
    """Return the default peak learning rate for a kind and a model of this many parameters.

    The kinds with adapters, and that of routers, have fixed rates. The rate of the other kinds is
    3e-4 for up to 500 million parameters, and 2e-5 for 7 billion or more. In between it is
    interpolated, on log scales for both the number of parameters and the rate.
    """
    if kind in _OTHER_RATES:
        return _OTHER_RATES[kind]
    share = math.log(max(1, parameters) / _SMALL) / math.log(_LARGE / _SMALL)
    logarithm = min(1.0, max(0.0, share)) * math.log(_LARGE_RATE / _SMALL_RATE)
    return _SMALL_RATE * math.exp(logarithm)


def batch_tokens(tokens: int) -> int:
    """Return the number of tokens per step of a recovery with ``tokens`` training tokens."""
    return min(_MOST_BATCH_TOKENS, max(_FEWEST_BATCH_TOKENS, tokens // _STEPS))


def windows_per_step(recovery: Recovery, seq_len: int) -> int:
    """Return the number of training windows in one optimizer step."""
    return max(1, batch_tokens(recovery.tokens) // seq_len)


def window_count(recovery: Recovery, seq_len: int) -> int:
    """Return the number of training windows in all steps together, repeated ones included."""
    return max(1, recovery.tokens // seq_len)


def step_count(recovery: Recovery, seq_len: int) -> int:
    """Return the number of optimizer steps; the last one may have fewer windows."""
    return -(-window_count(recovery, seq_len) // windows_per_step(recovery, seq_len))
