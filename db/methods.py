"""The pruning methods on offer, in the words a caller reads."""

from dataclasses import dataclass

from db.spec import MethodName


@dataclass(frozen=True)
class Method:
    """One method: what it does, where it comes from, what it is good for and what it costs."""

    name: MethodName
    title: str
    summary: str
    source: str
    when_to_use: str
    cost: str


METHODS: tuple[Method, ...] = (
    Method(
        name=MethodName.zpruner,
        title="Z-Pruner",
        summary=(
            "Scores each weight by the cubed Z-scores of its row-normalised and its "
            "column-normalised value, times the norm of the input feature it multiplies to the "
            "power 1.5, and zeros the smallest. The kept weights are not changed; nothing is "
            "retrained."
        ),
        source="https://arxiv.org/abs/2508.15828",
        when_to_use=(
            "The default: unstructured sparsity for any decoder-only transformer, where there is "
            "text for calibration that is like the text the model will read."
        ),
        cost=(
            "One forward pass of the calibration windows through the model (two with reference "
            "propagation) and one selection per matrix; memory for one block and the activations."
        ),
    ),
)
