"""The errors of the core. Most of them also say what to change."""

from typing import ClassVar


class PruningError(Exception):
    """Base class of all errors of the core.

    Args:
        reason: what is wrong.
        remedy: what to change, as the end of the message; empty if the core knows no remedy.

    Attributes:
        field: the field of a job's specification that causes errors of this class; None if it is
            not known.
    """

    field: ClassVar[str | None] = None

    def __init__(self, reason: str, remedy: str = "") -> None:
        # Not by Exception.__init__: pickle needs the arguments of a subclass, as __new__ kept them.
        self.reason, self.remedy = reason, remedy

    def __str__(self) -> str:
        return f"{self.reason}; {self.remedy}" if self.remedy else self.reason

    @property
    def advice(self) -> str:
        """The remedy as a sentence; empty without one."""
        return self.remedy and f"{self.remedy[0].upper()}{self.remedy[1:]}."


class ShapeError(PruningError):
    """A tensor has the wrong shape, or does not fit another tensor or the pattern."""


class PatternError(PruningError):
    """The pattern is impossible, or does not fit a layer's rows or the solver's variant."""

    field = "pattern"


class SkipError(PruningError):
    """A glob in ``skip`` matches no part of the model, or ``skip`` leaves no layer to prune."""

    field = "skip"


class AllocationError(PruningError):
    """The number of sparsities is not the number of blocks, or a sparsity is not in ``[0, 1)``."""

    field = "allocation"


class RatioError(PruningError):
    """No number of units, or of blocks, that can be removed is near the requested ratio.

    Args:
        ratio: the requested ratio.
        effect: what it does, such as ``removes no unit``.
        nearest: the nearest ratio that fits.
    """

    field = "ratio"

    def __init__(self, ratio: float, effect: str, nearest: float) -> None:
        remedy = f"set ratio to {nearest:.4g}, the nearest that fits"
        super().__init__(f"a ratio of {ratio:g} {effect}", remedy)
        self.effect, self.nearest = effect, nearest


class ExpertsError(PruningError):
    """So many experts cannot stay in each layer."""

    field = "experts"


class SparsityError(PruningError):
    """The sparsity is so low that no weight would be dropped."""

    field = "sparsity"


class IncrementsError(PruningError):
    """There are more increments than weights, units or blocks to remove."""

    field = "steps"


class RecoveryError(PruningError):
    """The pruned model cannot be trained in the requested way."""

    field = "recover"


class RefinementError(PruningError):
    """The calibration text has too few windows for a refinement."""

    field = "refine"


class QuantizationError(PruningError):
    """A layer cannot be quantised, or its rows do not split into the groups that share a scale."""

    field = "quantize"


class RotationError(PruningError):
    """The model is built in a way that cannot be rotated."""

    field = "rotate"


class BinarizationError(PruningError):
    """The rows of a layer do not split into the groups of a binarisation."""

    field = "binarize"


class UnknownMethodError(PruningError):
    """No method, solver or allocation is registered under this name.

    Args:
        kind: ``method``, ``solver`` or ``allocation``.
        name: the unknown name.
        known: the registered names.
    """

    def __init__(self, kind: str, name: str, known: list[str]) -> None:
        super().__init__(f"unknown {kind} {name!r}", f"choose one of {', '.join(known)}")


class UnsupportedModelError(PruningError):
    """The model is not a decoder that can be pruned block by block."""

    field = "model"


class SmallerModelError(PruningError):
    """The written smaller model does not compute what the model with zeros computes.

    Args:
        difference: what is wrong with it.
    """

    field = "method"

    def __init__(self, difference: str) -> None:
        super().__init__(
            f"the smaller model is not the model without the removed units: {difference}",
            "set method to another one, such as neurons or depth, and report the model's type",
        )


class CheckpointError(PruningError):
    """The checkpoint is incomplete, damaged or quantized, or does not match its config."""

    field = "model"


class NotFiniteError(PruningError):
    """A tensor or a measured loss contains NaN or infinity."""

    def __init__(self, where: str) -> None:
        super().__init__(
            f"{where} contains NaN or infinity",
            "if the checkpoint itself does not, set dtype to float32 or bfloat16",
        )


class SolverFailedError(PruningError):
    """A solver failed because the Gram matrix of a layer's inputs is not positive definite."""

    def __init__(self, why: str) -> None:
        super().__init__(f"the inputs' Gram matrix is {why}", "more calibration tokens may help")


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
        super().__init__(
            f"{task} needs {_megabytes(needed)} of memory, but {limit} leaves {_megabytes(left)}",
            f"set {change}" if change else "provide that much memory",
        )
        self.needed, self.change = needed, change


def _megabytes(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:,.0f} MB"


class DevicesError(PruningError):
    """The machine lacks a requested device, or several devices were requested by one index."""

    def __init__(self, device: str, requested: int, available: int) -> None:
        if ":" in device and requested > 1:
            reason = f"device {device} is one device, but {requested} devices were requested"
            remedy = "set the device to cuda"
        elif requested == 1:
            reason = f"device {device} does not exist, torch finds {available} GPUs"
            remedy = "set the device to auto or cpu"
        else:
            wanted = f"{requested} devices were requested"
            reason = f"{wanted}, but this machine has {available} CUDA devices"
            remedy = "request fewer"
        super().__init__(reason, remedy)


class RankLostError(PruningError):
    """One of the processes that share a sweep or a recovery has ended; the others cannot go on."""
