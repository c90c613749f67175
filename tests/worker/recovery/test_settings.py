"""The defaults of a recovery, and what it refuses."""

from typing import Any

import pytest

from tests.worker.recovery.recoveries import recovery_settings
from worker.recovery.optimizer import schedule
from worker.recovery.settings import (
    Kind,
    batch_tokens,
    default_learning_rate,
    step_count,
)


@pytest.mark.parametrize(
    ("kind", "parameters", "rate"),
    [
        ("masked", 100_000_000, 3e-4),
        ("masked", 500_000_000, 3e-4),
        ("masked", 7_000_000_000, 2e-5),
        ("ast", 70_000_000_000, 2e-5),
        ("mask_lora", 7_000_000_000, 5e-4),
        ("spp", 7_000_000_000, 4e-3),
        ("router", 30_000_000_000, 5e-5),
    ],
)
def test_the_learning_rate_follows_from_kind_and_size(
    kind: Kind, parameters: int, rate: float
) -> None:
    assert default_learning_rate(kind, parameters) == pytest.approx(rate)


def test_the_learning_rate_falls_between_small_and_large_models() -> None:
    sizes = [500_000_000, 1_000_000_000, 3_000_000_000, 7_000_000_000]
    rates = [default_learning_rate("masked", size) for size in sizes]
    assert rates == sorted(rates, reverse=True)
    assert len(set(rates)) == len(sizes)


def test_norms_take_no_larger_steps_than_weights_would() -> None:
    assert recovery_settings("spp").rates(100_000_000) == (4e-3, 3e-4)
    assert recovery_settings("masked", learning_rate=1e-5).rates(100_000_000) == (1e-5, 1e-5)


def test_the_schedule_rises_and_falls_to_a_tenth() -> None:
    rates = [schedule(step, 100, 0.05) for step in range(100)]
    assert rates[:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert rates[4:] == sorted(rates[4:], reverse=True)
    assert rates[-1] == pytest.approx(0.1)


@pytest.mark.usefixtures("published_batches")
def test_many_tokens_make_larger_steps_rather_than_more() -> None:
    assert (batch_tokens(262_144), step_count(recovery_settings("masked"), 512)) == (2_048, 128)
    large = recovery_settings("masked", tokens=1 << 30)
    assert (batch_tokens(1 << 30), step_count(large, 1_024)) == (131_072, 8_192)
    assert step_count(recovery_settings("masked", tokens=1), 512) == 1


@pytest.fixture
def published_batches(small_batches: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.recovery.settings._FEWEST_BATCH_TOKENS", 2_048)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"kind": "lora"},
            "kind 'lora' is unknown; choose one of masked, mask_lora, spp, ast, router",
        ),
        ({"tokens": 0}, "tokens 0 is less than 1"),
        ({"learning_rate": 0.0}, "learning_rate 0.0 is not above 0"),
        ({"kl": 1.1}, "kl 1.1 is not from 0 to 1"),
        ({"temperature": 0.0}, "temperature 0.0 is not above 0"),
    ],
)
def test_values_out_of_range_are_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        recovery_settings(**{"kind": "masked", **fields})
