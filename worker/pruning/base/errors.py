"""The errors of the core. Most messages also say what to change."""


class PruningError(Exception):
    """Base class of all errors of the core."""


class ShapeError(PruningError):
    """A tensor has the wrong shape, or does not fit another tensor or the pattern."""


class PatternError(PruningError):
    """The pattern is impossible, or does not fit a layer's rows or the solver's variant."""


class SkipError(PruningError):
    """A glob in ``skip`` matches no part of the model, or ``skip`` leaves no layer to prune."""


class AllocationError(PruningError):
    """The number of sparsities is not the number of blocks, or a sparsity is not in ``[0, 1)``."""


class RatioError(PruningError):
    """No number of units, or of blocks, that can be removed is near the requested ratio.

    Args:
        ratio: the requested ratio.
        effect: what it does, such as ``removes no unit``.
        nearest: the nearest ratio that fits.
    """

    def __init__(self, ratio: float, effect: str, nearest: float) -> None:
        super().__init__(ratio, effect, nearest)
        self.ratio, self.effect, self.nearest = ratio, effect, nearest

    @property
    def remedy(self) -> str:
        """What to change."""
        return f"set ratio to {self.nearest:.4g}, the nearest that fits"

    def __str__(self) -> str:
        return f"a ratio of {self.ratio:g} {self.effect}; {self.remedy}"


class SparsityError(PruningError):
    """The sparsity is so low that no weight would be dropped."""


class IncrementsError(PruningError):
    """There are more increments than weights, units or blocks to remove."""


class RecoveryError(PruningError):
    """The pruned model cannot be trained in the requested way."""


class RefinementError(PruningError):
    """The calibration text has too few windows for a refinement."""


class QuantizationError(PruningError):
    """A layer cannot be quantised, or its rows do not split into the groups that share a scale."""


class RotationError(PruningError):
    """The model is built in a way that cannot be rotated."""


class BinarizationError(PruningError):
    """The rows of a layer do not split into the groups of a binarisation."""


class UnknownMethodError(PruningError):
    """No method, solver or allocation is registered under this name.

    Args:
        kind: ``method``, ``solver`` or ``allocation``.
        name: the unknown name.
        known: the registered names.
    """

    def __init__(self, kind: str, name: str, known: list[str]) -> None:
        super().__init__(kind, name, known)
        self.kind, self.name, self.known = kind, name, known

    def __str__(self) -> str:
        return f"unknown {self.kind} {self.name!r}; choose one of {', '.join(self.known)}"


class UnsupportedModelError(PruningError):
    """The model is not a decoder that can be pruned block by block."""


class SmallerModelError(PruningError):
    """The written smaller model does not compute what the model with zeros computes.

    Args:
        reason: what is wrong with it.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return (
            f"the smaller model is not the model without the removed units: {self.reason}; set "
            "method to another one, such as neurons or depth, and report the model's type"
        )


class CheckpointError(PruningError):
    """The checkpoint is incomplete, damaged or quantized, or does not match its config."""


class NotFiniteError(PruningError):
    """A tensor or a measured loss contains NaN or infinity."""

    def __init__(self, where: str) -> None:
        super().__init__(where)
        self.where = where

    def __str__(self) -> str:
        return (
            f"{self.where} contains NaN or infinity; if the checkpoint itself does not, "
            "set dtype to float32 or bfloat16"
        )


class SolverFailedError(PruningError):
    """A solver failed because the Gram matrix of a layer's inputs is not positive definite."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why

    def __str__(self) -> str:
        return f"the inputs' Gram matrix is {self.why}; more calibration tokens may help"


class InsufficientMemoryError(PruningError):
    """The job needs more memory than is available.

    Args:
        needed: bytes in addition to those that the process already uses.
        left: bytes available.
        limit: the name of the limit, such as ``free memory``.
        change: the change to the job that the message proposes, such as ``seq_len to 512``; None if
            no change is known that would suffice.
        task: the part of the job that needs the memory.
    """

    def __init__(
        self, needed: int, left: int, limit: str, change: str | None, task: str = "pruning"
    ) -> None:
        super().__init__(needed, left, limit, change, task)
        self.needed, self.left, self.limit, self.change = needed, left, limit, change
        self.task = task

    def __str__(self) -> str:
        remedy = f"set {self.change}" if self.change else "provide that much memory"
        return (
            f"{self.task} needs {_megabytes(self.needed)} of memory, but {self.limit} leaves "
            f"{_megabytes(self.left)}; {remedy}"
        )


def _megabytes(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:,.0f} MB"


class DevicesError(PruningError):
    """The machine lacks a requested device, or several devices were requested by one index."""

    def __init__(self, device: str, requested: int, available: int) -> None:
        super().__init__(device, requested, available)
        self.device, self.requested, self.available = device, requested, available

    def __str__(self) -> str:
        if ":" in self.device and self.requested > 1:
            return (
                f"device {self.device} is one device, but {self.requested} devices were requested; "
                "set the device to cuda"
            )
        if self.requested == 1:
            return (
                f"device {self.device} does not exist, torch finds {self.available} GPUs; "
                "set the device to auto or cpu"
            )
        return (
            f"{self.requested} devices were requested, but this machine has {self.available} CUDA "
            "devices; request fewer"
        )


class RankLostError(PruningError):
    """One of the processes that share a sweep or a recovery has ended; the others cannot go on."""
