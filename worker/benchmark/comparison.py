"""The result of a benchmark: figures of both models, their ratios, and what they mean in words."""

from collections.abc import Callable, Generator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from statistics import median
from typing import Any

from worker.benchmark.measurement import NEW_TOKENS, Measurement
from worker.benchmark.ratio import Ratio
from worker.benchmark.rounds import Round, measured_rounds
from worker.benchmark.runtime import Runtime

FIGURES: dict[str, Callable[[Measurement], float]] = {
    "prefill": lambda measurement: measurement.prefill_per_second,
    "decode": lambda measurement: measurement.decode_per_second,
    "memory": lambda measurement: measurement.memory_bytes,
}
UNITS = {"prefill": "tokens_per_second", "decode": "tokens_per_second", "memory": "bytes"}


@dataclass(frozen=True)
class Comparison:
    """The benchmark of two models.

    Attributes:
        environment: the runtime that ran them, and where.
        prompt_tokens: the length of the prompt.
        rounds: what was measured.
        dense_bytes, pruned_bytes: the sizes of the files with the weights.
    """

    environment: dict[str, str]
    prompt_tokens: int
    rounds: Sequence[Round]
    dense_bytes: int
    pruned_bytes: int

    @cached_property
    def ratios(self) -> dict[str, Ratio]:
        """The ratio, pruned over dense, of each figure; none of memory that was not measurable."""
        ratios = {}
        for name, figure in FIGURES.items():
            pairs = [(figure(measured.dense), figure(measured.pruned)) for measured in self.rounds]
            if all(min(pair) > 0 for pair in pairs):
                ratios[name] = Ratio.of(pairs)
        return ratios

    def metrics(self) -> dict[str, Any]:
        """Return the medians and ratios under ``speed``, and the ratio of the files' sizes."""
        speed: dict[str, Any] = {}
        for name, figure in FIGURES.items():
            ratio = self.ratios.get(name)
            speed[f"{name}_ratio"] = None if ratio is None else ratio.value
            for model in ("dense", "pruned"):
                values = [figure(getattr(measured, model)) for measured in self.rounds]
                speed[f"{model}_{name}_{UNITS[name]}"] = median(values)
        speed["intervals"] = {
            f"{name}_ratio": [ratio.low, ratio.high] for name, ratio in self.ratios.items()
        }
        speed["confidence"] = self.ratios["decode"].confidence
        speed["summary"] = self.summary()
        return {"speed": speed, "weights_bytes_ratio": self.weights_bytes_ratio}

    def report(self) -> dict[str, Any]:
        """Return how it was measured, and every measurement."""
        return {
            **self.environment,
            "prompt_tokens": self.prompt_tokens,
            "new_tokens": NEW_TOKENS,
            "dense_bytes": self.dense_bytes,
            "pruned_bytes": self.pruned_bytes,
            "rounds": [asdict(measured) for measured in self.rounds],
        }

    @property
    def weights_bytes_ratio(self) -> float:
        return self.pruned_bytes / self.dense_bytes

    def summary(self) -> list[str]:
        """Return a sentence on each figure; it says so if a difference may be chance."""
        memory = self.ratios.get("memory")
        return [
            _speed_sentence("Reading the prompt", self.ratios["prefill"]),
            _speed_sentence("Generating", self.ratios["decode"]),
            "Memory: too little to be measured." if memory is None else _memory_sentence(memory),
            _files_sentence(self.weights_bytes_ratio),
        ]


def _files_sentence(ratio: float) -> str:
    times = f"{ratio:.3g}"
    return "Files: the same size." if times == "1" else f"Files: {times} times the size."


def _speed_sentence(what: str, ratio: Ratio) -> str:
    verdict = "faster" if ratio.is_above else "slower" if ratio.is_below else "no speed-up"
    return f"{what}: {verdict}, {ratio.value:.3g} times the speed ({_ends(ratio)})."


def _memory_sentence(ratio: Ratio) -> str:
    verdict = "more" if ratio.is_above else "less" if ratio.is_below else "no less"
    return f"Memory: {verdict}, {ratio.value:.3g} times as much ({_ends(ratio)})."


def _ends(ratio: Ratio) -> str:
    return f"{ratio.low:.3g} to {ratio.high:.3g}"


def compare(
    runtime: Runtime, dense: Path, pruned: Path, prompt: list[int]
) -> Generator[float, None, Comparison]:
    """Measure two models in turns.

    Args:
        runtime: the program that runs the models.
        dense: the dense model.
        pruned: the pruned model.
        prompt: the token ids of the prompt.

    Yields:
        The share that is done, after each measurement.
    """
    rounds = yield from measured_rounds(runtime, dense, pruned, prompt)
    sizes = runtime.stored_bytes(dense), runtime.stored_bytes(pruned)
    return Comparison(runtime.environment(), len(prompt), rounds, *sizes)
