"""The error of a vocabulary that cannot be made smaller."""


class VocabularyError(Exception):
    """A model's vocabulary cannot be made smaller as it is asked for.

    Attributes:
        part: the part of the request that has to change, such as ``keep``; empty for all of it.
        reason: the cause.
        remedy: what to change.
    """

    def __init__(self, reason: str, remedy: str, part: str = "") -> None:
        super().__init__(reason, remedy, part)
        self.reason, self.remedy, self.part = reason, remedy, part
