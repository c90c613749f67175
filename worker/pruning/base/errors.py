"""What the core refuses, and why. Each text names the layer or tensor and says what would help."""


class PruningError(Exception):
    """Base of every refusal of the core."""


class ShapeError(PruningError):
    """Tensors that do not fit each other."""


class PatternError(PruningError):
    """A pattern that no mask can have."""


class SkipError(PruningError):
    """Globs of layers to leave alone that match nothing, or everything."""


class AllocationError(PruningError):
    """Sparsities that do not fit the model's blocks, or that no block can have."""


class UnknownMethodError(PruningError):
    """There is no method of this name."""

    def __init__(self, name: str, known: list[str]) -> None:
        super().__init__(name, known)
        self.name, self.known = name, known

    def __str__(self) -> str:
        return f"no method {self.name!r}; there are {', '.join(self.known)}"


class UnsupportedModelError(PruningError):
    """The model is not a decoder that can be swept block by block."""


class CheckpointError(PruningError):
    """The checkpoint is damaged, or not the one its config describes."""


class NotFiniteError(PruningError):
    """A tensor holds NaN or infinity."""

    def __init__(self, where: str) -> None:
        super().__init__(where)
        self.where = where

    def __str__(self) -> str:
        return (
            f"{self.where} holds NaN or infinity; if the checkpoint itself is sound, "
            "set dtype to float32 or bfloat16"
        )


class UnknownSolverError(PruningError):
    """There is no solver of this name."""

    def __init__(self, name: str, known: list[str]) -> None:
        super().__init__(name, known)
        self.name, self.known = name, known

    def __str__(self) -> str:
        return f"no solver {self.name!r}; there are {', '.join(self.known)}"


class SolverFailedError(PruningError):
    """The inputs' Gram matrix is not positive definite, so no solver can work with it."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why

    def __str__(self) -> str:
        return (
            f"the inputs' Gram matrix is {self.why}; the mask by score alone still works, and more "
            "calibration tokens may help"
        )


class NoRoomError(PruningError):
    """The job needs more memory than there is.

    Args:
        needed: bytes beyond what the process holds already.
        left: bytes that are left.
        limit: what leaves no more.
        change: a change of the job that would fit, such as ``seq_len to 512``; None where only
            more memory helps.
    """

    def __init__(self, needed: int, left: int, limit: str, change: str | None) -> None:
        super().__init__(needed, left, limit, change)
        self.needed, self.left, self.limit, self.change = needed, left, limit, change

    def __str__(self) -> str:
        remedy = f"set {self.change}" if self.change else "give it that much"
        return (
            f"pruning takes {_megabytes(self.needed)} of memory, and {self.limit} leaves "
            f"{_megabytes(self.left)}; {remedy}"
        )


def _megabytes(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:,.0f} MB"


class DevicesError(PruningError):
    """More devices are asked for than there are."""

    def __init__(self, device: str, asked: int, there: int) -> None:
        super().__init__(device, asked, there)
        self.device, self.asked, self.there = device, asked, there

    def __str__(self) -> str:
        if ":" in self.device and self.asked > 1:
            return f"{self.device} is one device, {self.asked} were asked for; give cuda alone"
        if self.asked == 1:
            return f"{self.device} is not there, torch finds {self.there} GPUs; name auto or cpu"
        return f"{self.asked} devices were asked for, this machine has {self.there} for CUDA"


class RankLostError(PruningError):
    """One of the processes that share a sweep is gone, so the others cannot go on."""
