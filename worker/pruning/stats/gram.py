"""The Gram matrix of a layer's inputs, and the factorizations that solvers use."""

from collections.abc import Iterator
from functools import cached_property
from typing import Self

import torch
from torch import Tensor

from worker.pruning.base.bfloat16_products import bfloat16_products
from worker.pruning.base.errors import NotFiniteError, ShapeError, SolverFailedError
from worker.pruning.distributed.ranks import Ranks
from worker.pruning.model.linear_layers import LinearLayer
from worker.pruning.stats.input_moments import or_zeros

CHUNK = 512  # tokens converted to fp32 at a time, so that the copy stays in the cache
PANEL = 256  # rows of a sum that one matrix product computes, for the same reason
_DAMPINGS = (1e-2, 1e-1, 1.0)  # shares of the mean diagonal, tried in this order


class Gram:
    """The mean of x xᵀ over calibration tokens. Layers with the same input share one object.

    Factorizations are computed on first use and cached. The solvers' results do not change if the
    matrix is multiplied by a positive number, so the mean is used instead of the papers' sums.

    Args:
        matrix: ``[in, in]`` fp32, symmetric; not modified.

    Attributes:
        damping: the share of the mean diagonal that `inverse_cholesky` added to the diagonal in its
            last successful call, for the job's report; None before such a call.

    Raises:
        ShapeError: the matrix is not square.
        NotFiniteError: the matrix contains NaN or infinity.
    """

    def __init__(self, matrix: Tensor) -> None:
        if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
            raise ShapeError(f"a Gram matrix must be square, but this one is {tuple(matrix.shape)}")
        if not bool(matrix.isfinite().all()):
            raise NotFiniteError("the inputs' Gram matrix")
        self.matrix = matrix.float()
        self.damping: float | None = None
        self._factors: dict[float, tuple[Tensor, float]] = {}
        self._normalised: dict[float, NormalisedGram] = {}

    @property
    def sq_mean(self) -> Tensor:
        """The mean square of each input feature, ``[in]`` fp32, for scores."""
        return self.matrix.diagonal()

    @cached_property
    def dead(self) -> Tensor:
        """Whether each input feature was zero for all tokens, ``[in]`` bool."""
        return self.sq_mean == 0

    def check_fits(self, weight: Tensor) -> None:
        """Check that a weight ``[out, in]`` has one column for each input feature.

        Raises:
            ShapeError: the weight has another shape.
        """
        if weight.ndim != 2 or weight.shape[1] != len(self.matrix):
            raise ShapeError(
                f"weight {tuple(weight.shape)} does not fit a Gram matrix of {len(self.matrix)} "
                "input features"
            )

    def inverse_cholesky(self, percdamp: float = 0.01) -> Tensor:
        """Return the upper triangular U with UᵀU = (H + λI)⁻¹, ``[in, in]`` fp32.

        H is the Gram matrix; λ is ``percdamp`` times the mean of its diagonal without dead
        features. If H + λI is not positive definite, larger shares of up to 1 are tried, then all
        of the shares in fp64. For a dead feature j, H_jj is set to 1.

        With H + λI = RRᵀ, where R is upper triangular, U = R⁻¹, so one factorization is enough. The
        published code inverts H + λI, and then factorizes the inverse as well.

        Args:
            percdamp: the smallest share of the mean diagonal to try.

        Raises:
            SolverFailedError: H + λI is not positive definite for any of these shares.
        """
        if percdamp not in self._factors:
            self._factors[percdamp] = self._inverse_cholesky(percdamp)
        factor, self.damping = self._factors[percdamp]
        return factor

    def normalised(self, ridge: float = 0.0) -> "NormalisedGram":
        """Return D⁻¹(H + λI)D⁻¹, with the diagonal matrix D that makes every diagonal entry 1.

        H is the Gram matrix; λ is ``ridge`` times the mean of its diagonal without dead features.
        For a dead feature j, H_jj is set to 1.

        Raises:
            SolverFailedError: the diagonal has an entry that is not positive.
        """
        if ridge not in self._normalised:
            damped = self._damped(ridge)
            if bool((damped.diagonal() <= 0).any()):
                raise SolverFailedError("negative on its diagonal")
            scale = damped.diagonal().sqrt()
            self._normalised[ridge] = NormalisedGram(damped.div_(scale).div_(scale[:, None]), scale)
        return self._normalised[ridge]

    def _damped(self, share: float) -> Tensor:
        """Return a copy of H + λI, with H_jj = 1 for each dead feature j.

        λ is ``share`` times the mean of the diagonal without dead features.
        """
        damped = self.matrix.clone()
        alive = self.sq_mean[~self.dead]
        ridge = share * float(alive.mean()) if len(alive) else 0.0
        damped.diagonal().masked_fill_(self.dead, 1.0).add_(ridge)
        return damped

    def _inverse_cholesky(self, percdamp: float) -> tuple[Tensor, float]:
        for dtype, damping in _attempts(percdamp):
            flipped = self._damped(damping).to(dtype).flip(0, 1)
            lower, info = torch.linalg.cholesky_ex(flipped)
            if int(info) == 0:
                eye = torch.eye(len(lower), dtype=dtype, device=lower.device)
                inverse = torch.linalg.solve_triangular(lower, eye, upper=False)
                return inverse.flip(0, 1).float(), damping
        raise SolverFailedError(f"not positive definite with {_DAMPINGS[-1]} times its diagonal")


class NormalisedGram:
    """A Gram matrix H, which may be damped, scaled to unit diagonal: N = D⁻¹HD⁻¹, D diagonal.

    Attributes:
        matrix: N, ``[in, in]`` fp32.
        scale: the diagonal of D, ``[in]`` fp32; solvers multiply the weight's columns by it.
    """

    def __init__(self, matrix: Tensor, scale: Tensor) -> None:
        self.matrix, self.scale = matrix, scale
        self._inverses: dict[float, Tensor] = {}

    def inverse(self, shift: float, keep: bool = False) -> Tensor:
        """Return (N + shift I)⁻¹, ``[in, in]`` fp32; cache it for the next layer if ``keep``.

        Raises:
            SolverFailedError: N + shift I is not positive definite, even in fp64.
        """
        if shift in self._inverses:
            return self._inverses[shift]
        inverse = self._invert(shift)
        if keep:
            self._inverses[shift] = inverse
        return inverse

    def _invert(self, shift: float) -> Tensor:
        for dtype in (torch.float32, torch.float64):
            shifted = self.matrix.to(dtype, copy=True)
            shifted.diagonal().add_(shift)
            lower, info = torch.linalg.cholesky_ex(shifted)
            if int(info) == 0:
                return torch.cholesky_inverse(lower).float()
        raise SolverFailedError(f"not positive definite with {shift:g} added to its diagonal")


class GramMoments:
    """The sum of x xᵀ over calibration tokens.

    Products are summed in fp32 within a chunk of tokens and in fp64 over the chunks. Addition in
    fp64 is so exact that the order of the chunks, which depends on the number of ranks, hardly
    matters.

    Attributes:
        tokens: number of tokens added.
    """

    def __init__(self) -> None:
        self._sum: Tensor | None = None
        self._gram: Gram | None = None
        self.tokens = 0

    @classmethod
    def from_triangle(cls, triangle: Tensor, width: int, tokens: int) -> Self:
        """Return the moments of which `triangle` was stored: with the same Gram matrix, bit by bit.

        Args:
            triangle: ``[in (in + 1) / 2]`` fp32.
            width: number of input features.
            tokens: number of tokens that were added.
        """
        moments = cls()
        moments.tokens = tokens
        moments._sum = torch.zeros(width, width, dtype=torch.float64, device=triangle.device)
        for row, values in enumerate(torch.split(triangle, list(range(width, 0, -1)))):
            # A product of fp32 and a number below 2²⁹ is exact, so that dividing it is, too.
            moments._sum[row, row:] = values.double() * tokens
        return moments

    def triangle(self) -> Tensor:
        """Return the upper triangle of the Gram matrix, row after row, ``[in (in + 1) / 2]`` fp32.

        Raises:
            ValueError, NotFiniteError: as `gram`.
        """
        return torch.cat([row[place:] for place, row in enumerate(self.gram().matrix)])

    def add(self, inputs: Tensor) -> None:
        """Add inputs ``[..., in]``, any float dtype.

        Raises:
            ShapeError: the inputs have another width than earlier ones.
        """
        width, self._gram = inputs.shape[-1], None
        if self._sum is None:
            self._sum = torch.zeros(width, width, dtype=torch.float64, device=inputs.device)
        if width != len(self._sum):
            raise ShapeError(f"inputs of {width} features after inputs of {len(self._sum)}")
        inputs = inputs.reshape(-1, width)  # [tokens, in]
        with bfloat16_products(inputs):
            for chunk in torch.split(inputs, CHUNK):
                _add_upper(self._sum, chunk.float())
        self.tokens += len(inputs)

    def sq_mean(self) -> Tensor:
        """Return the mean square of each feature: ``[in]`` fp32.

        Raises:
            ValueError: no inputs were added.
        """
        if self._sum is None or self.tokens == 0:
            raise ValueError("no inputs were added")
        return (self._sum.diagonal() / self.tokens).float()

    def gram(self) -> Gram:
        """Return the Gram matrix over all tokens; the same object until further inputs are added.

        Raises:
            ValueError: no inputs were added.
            NotFiniteError: the inputs contain NaN or infinity.
        """
        if self._sum is None or self.tokens == 0:
            raise ValueError("no inputs were added")
        if self._gram is None:
            upper = (self._sum / self.tokens).float().triu_()
            self._gram = Gram(upper + upper.triu(1).T)
        return self._gram

    @property
    def damping(self) -> float | None:
        """The damping that `Gram.inverse_cholesky` needed; None if it was not called."""
        return self._gram.damping if self._gram else None

    def all_reduced(self, ranks: Ranks, layer: LinearLayer) -> Self:
        """Return the moments over the inputs of all ranks; every rank gets the same result."""
        total = type(self)()
        total.tokens = ranks.sum_of(self.tokens)
        if total.tokens:
            total._sum = ranks.all_reduce(or_zeros(self._sum, (layer.inputs, layer.inputs), layer))
        return total


def products_share(width: int) -> float:
    """Return the share of the products of ``width`` features that are computed.

    Half of the symmetric sum is not, except for the panels on its diagonal.
    """
    return min(1.0, 0.5 + PANEL / (2 * width))


def _add_upper(total: Tensor, inputs: Tensor) -> None:
    """Add the upper triangle of xᵀx to ``total [in, in]`` for inputs x ``[tokens, in]``.

    The product is computed in panels of rows, which skips most of its lower triangle. This triangle
    is not needed, because the product is symmetric.
    """
    for start in range(0, len(total), PANEL):
        rows = slice(start, start + PANEL)
        total[rows, start:] += inputs[:, rows].T @ inputs[:, start:]


def _attempts(percdamp: float) -> Iterator[tuple[torch.dtype, float]]:
    """Yield the dtypes and dampings to try: fp32 before fp64, with growing dampings in each."""
    for dtype in (torch.float32, torch.float64):
        yield dtype, percdamp
        for damping in _DAMPINGS:
            if damping > percdamp:
                yield dtype, damping
