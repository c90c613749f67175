"""Small layers with correlated inputs, and the output error of pruned ones."""

import torch
from torch import Tensor

from worker.pruning.stats.gram import Gram


def random_layer(out: int, width: int, tokens: int = 400) -> tuple[Tensor, Gram]:
    """Return a weight ``[out, width]`` and the Gram matrix of correlated inputs."""
    generator = torch.Generator().manual_seed(out * width)
    mixing = torch.randn(width, width, generator=generator) + 2 * torch.eye(width)
    inputs = torch.randn(tokens, width, generator=generator) @ mixing
    return torch.randn(out, width, generator=generator), Gram(inputs.T @ inputs / tokens)


def output_error(dense: Tensor, pruned: Tensor, gram: Gram) -> float:
    """Return the squared error of the pruned outputs, relative to the dense outputs."""
    change = dense - pruned
    power = (dense @ gram.matrix * dense).sum()
    return float((change @ gram.matrix * change).sum() / power)


def least_squares(weight: Tensor, matrix: Tensor, keep: Tensor) -> Tensor:
    """Return the kept weights with the least output error, in closed form and fp64: the oracle."""
    weight, matrix = weight.double(), matrix.double()
    best = torch.zeros_like(weight)
    for row, kept in enumerate(keep):
        if kept.any():
            pull = matrix[kept] @ weight[row]
            best[row, kept] = torch.linalg.solve(matrix[kept][:, kept], pull)
    return best.float()
