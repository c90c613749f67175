"""How the page of a job shows the figures that an option adds to the result."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class ResultPart:
    """A group of the metrics of a job's result, as the page of the job shows it.

    In each text, ``{name:unit}`` is a metric of the group and ``{/name:unit}`` one of the result
    itself. The units are ``figure``, ``count``, ``bytes``, ``seconds``, ``percent``, ``share`` (a
    percentage with one digit), ``yes`` for 0 or 1, ``size``, a count of what the target of the job
    limits, and ``error``, a standard error that is shown as an interval.

    Attributes:
        group: the name of the group in the result.
        title: the heading; without one, a section of another kind shows the facts.
        facts: the text of each fact, by its name; it is left out if its first metric is missing.
        table: the heads of the columns, then the rows; each row begins with its name, and is left
            out if its first metric is missing.
        note: what the figures mean.
    """

    group: str
    title: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)
    table: tuple[tuple[str, ...], ...] = ()
    note: str = ""
