"""The measurement of one model once: two speeds and its memory."""

import gc
from dataclasses import dataclass
from pathlib import Path
from random import Random

from worker.benchmark.runtime import Limits, Runtime
from worker.pruning.base.memory import fix_malloc_thresholds, trim_heap

PROMPT_TOKENS = 512
NEW_TOKENS = 64


@dataclass(frozen=True)
class Measurement:
    """One model in one round.

    Attributes:
        prefill_per_second: the prompt's tokens over the time to the first new token.
        decode_per_second: the tokens after that one over the time that they took.
        memory_bytes: the memory that the model took once it had run.
    """

    prefill_per_second: float
    decode_per_second: float
    memory_bytes: int


def draw_prompt(limits: list[Limits]) -> list[int]:
    """Return a prompt that all models accept; it is shorter than usual if their context is.

    The tokens are random, but the same each time: which ones they are changes no speed, except
    that of a mixture of experts.

    Returns:
        The token ids; none if no prompt leaves room for the new tokens.
    """
    room = min((limit.positions for limit in limits if limit.positions), default=2 * PROMPT_TOKENS)
    length = max(0, min(PROMPT_TOKENS, room - NEW_TOKENS - 1))
    drawn = Random(0)  # noqa: S311 - no secret
    return [drawn.randrange(min(limit.vocabulary for limit in limits)) for _ in range(length)]


def measure(runtime: Runtime, path: Path, prompt: list[int]) -> Measurement:
    """Load a model, run it once to warm up, and measure it.

    Args:
        runtime: the program that runs it.
        path: the model.
        prompt: the token ids of the prompt.
    """
    fix_malloc_thresholds()  # so that freed weights are not counted as used
    gc.collect()
    trim_heap()
    before = runtime.used_bytes()
    with runtime.loaded(path) as model:
        model.generate(prompt, 2)  # the first run also plans kernels and reads pages
        timing = model.generate(prompt, NEW_TOKENS + 1)
        memory = runtime.used_bytes() - before
    return Measurement(
        len(prompt) / timing.prefill_seconds, NEW_TOKENS / timing.decode_seconds, memory
    )
