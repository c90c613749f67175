"""What the core refuses, and why. Each text names the layer or tensor and says what would help."""


class PruningError(Exception):
    """Base of every refusal of the core."""


class ShapeError(PruningError):
    """Tensors that do not fit each other."""


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
