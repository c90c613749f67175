"""How much each token counts in the loss of a block."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from worker.pruning.distributed.ranks import Ranks
from worker.pruning.refinement.block_targets import BlockTargets

# A square norm, as a multiple of the median token's.
_LARGEST = 100.0


class TokenWeights:
    """Weights of the tokens' squared errors: 1, but less for the few very large targets.

    In many models, the outputs for a few tokens, such as a text's first, have far larger norms than
    all others (Sun et al., "Massive Activations in Large Language Models", arXiv:2402.17762). With
    equal weights, the errors of these few tokens could dominate the loss. A target ``y`` whose norm
    exceeds ten times the median norm gets the weight ``100 median(‖y‖²) / ‖y‖²``. The median is the
    median of the windows' medians.

    Args:
        targets: the target outputs of this rank's windows.
        windows: indices of the windows whose tokens are weighted, on all ranks.
        hidden: number of features.
        ranks: the ranks that share the windows.

    Attributes:
        window_scale: ``Σ w ‖y - mean y‖²`` over all tokens, divided by the number of windows, with
            the weights w and the weighted mean ``mean y``; 1 if all targets are equal.
    """

    def __init__(
        self, targets: BlockTargets, windows: Sequence[int], hidden: int, ranks: Ranks
    ) -> None:
        sizes = {
            window: targets.outputs([window])[0].double().square().sum(-1).cpu()
            for window in targets.owned(windows)
        }
        medians = torch.zeros(len(windows), dtype=torch.float64)
        for window, size in sizes.items():
            medians[windows.index(window)] = size.median()
        median = float(ranks.all_reduce(medians).median())
        largest = _LARGEST * (median or math.inf)
        self._weights = {
            window: (largest / size.clamp(min=largest)).nan_to_num(1.0).float()
            for window, size in sizes.items()
        }
        self.window_scale = self._variance(targets, hidden, ranks) / len(windows) or 1.0

    def of(self, windows: Sequence[int]) -> Tensor:
        """Return the fp32 token weights ``[windows, tokens]`` of some of this rank's windows."""
        return torch.stack([self._weights[window] for window in windows])

    def _variance(self, targets: BlockTargets, hidden: int, ranks: Ranks) -> float:
        """Return ``Σ w ‖y - mean y‖²`` over the tokens of all ranks."""
        sums = torch.zeros(hidden + 2, dtype=torch.float64)  # of w y; of w ‖y‖², and of w
        for window, weights in self._weights.items():
            target, weight = targets.outputs([window])[0].double().cpu(), weights.double()
            sums[:hidden] += weight @ target
            sums[hidden] += weight @ target.square().sum(-1)
            sums[hidden + 1] += weight.sum()
        sums = ranks.all_reduce(sums)
        squares, total = float(sums[hidden]), float(sums[hidden + 1])
        return max(squares - float(sums[:hidden].square().sum()) / total, 0.0)
