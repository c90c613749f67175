"""How texts end that a model has generated, and how much they repeat themselves."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from statistics import fmean

from worker.evaluation.estimate import Estimate

RUN = 4
LOOPING = 0.5
"""A text with a lower share of distinct runs of four tokens repeats itself."""


@dataclass(frozen=True)
class GeneratedText:
    """The tokens with which a model has continued a prompt.

    Attributes:
        tokens: the tokens, without the one that ended the text.
        has_ended: whether the model has ended the text before it had all tokens.
    """

    tokens: tuple[int, ...]
    has_ended: bool

    @classmethod
    def of(cls, tokens: Sequence[int], end: Collection[int]) -> "GeneratedText":
        """Return the text of generated tokens, which ends before the first of ``end``."""
        length = next((place for place, token in enumerate(tokens) if token in end), len(tokens))
        return cls(tuple(tokens[:length]), length < len(tokens))

    @property
    def distinct_runs(self) -> float:
        """The share of distinct runs of four tokens among all; 1 for a text without any."""
        runs = list(zip(*(self.tokens[start:] for start in range(RUN)), strict=False))
        return len(set(runs)) / len(runs) if runs else 1.0

    @property
    def is_loop(self) -> bool:
        return self.distinct_runs < LOOPING


def generation_estimates(texts: Sequence[Sequence[GeneratedText]]) -> dict[str, Estimate]:
    """Return estimates of all texts by name, given the texts of each prompt.

    The texts of one prompt are alike, so that the prompts count as samples; of a single prompt,
    its texts do.
    """
    samples = texts if len(texts) > 1 else [[text] for text in texts[0]]
    figures = {
        "loops": lambda text: text.is_loop,
        "ends": lambda text: text.has_ended,
        "distinct_4": lambda text: text.distinct_runs,
    }
    return {
        name: Estimate.of([fmean(map(figure, of_sample)) for of_sample in samples])
        for name, figure in figures.items()
    }
