"""The measurements of a load run, and their summary as rows of a table."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

Row = dict[str, str | float]


@dataclass
class Load:
    """The measurements of a load run, over all callers.

    Attributes:
        seconds: the response time of each request. `Callers` measures it from the start of the
            request, `OpenLoop` from the time when the request was due.
        later: the same, but only for requests sent after the first 6 seconds of `Callers.run`.
        statuses: the number of responses by status.
        errors: the number of failures that `statuses` does not count, by exception name or message.
        unanswered: the number of requests without a response at the end; `seconds` includes how
            long each had waited.
        events: the number of events received on streams.
        lasted_s: the number of seconds for which requests were sent.
    """

    seconds: list[float] = field(default_factory=list)
    later: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    unanswered: int = 0
    events: int = 0
    lasted_s: float = 0.0

    def row(self) -> Row:
        """Return the figures that all load runs have in common."""
        responses = self.statuses.total()
        refused = sum(count for status, count in self.statuses.items() if status >= 400)
        return {
            "requests_per_second": responses / self.lasted_s,
            "p50_ms": percentile(self.seconds, 50) * 1000,
            "p99_ms": percentile(self.seconds, 99) * 1000,
            "share_of_304": self.statuses[304] / responses,
            "errors": refused + self.errors.total() + self.unanswered,
        }


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the smallest value such that at least ``percent`` percent of all values are ≤ it."""
    return sorted(values)[max(1, math.ceil(len(values) * percent / 100)) - 1]


HEADS = {
    "what": ("", ""),
    "rate": ("due/s", ".0f"),
    "seconds": ("seconds", ".0f"),
    "requests_per_second": ("requests/s", ".0f"),
    "p50_ms": ("p50, ms", ".1f"),
    "p99_ms": ("p99, ms", ".1f"),
    "later_p99_ms": ("p99 after 6 s, ms", ".1f"),
    "share_of_304": ("304", ".1%"),
    "errors": ("errors", ".0f"),
    "events": ("events", ".0f"),
    "cpu": ("CPU of the server, s/s", ".2f"),
    "client_cpu": ("of the client", ".2f"),
    "worker_cpu": ("of the worker", ".2f"),
    "from_send_p50_ms": ("from the PATCH's send to the last stream, p50, ms", ".0f"),
    "from_send_p99_ms": ("p99, ms", ".0f"),
    "from_response_p50_ms": ("from its response, p50, ms", ".0f"),
    "from_response_p99_ms": ("p99, ms", ".0f"),
    "missed": ("missed", ".0f"),
    "stream_kib": ("resident memory of a stream, KiB", ".1f"),
    "descriptors": ("descriptors", ".0f"),
    "descriptor_limit": ("limit at the start", ".0f"),
}
"""Heading and format of each figure, in the order of the columns."""


def table(rows: Sequence[Row]) -> str:
    """Return the rows as a Markdown table; all rows must have the same keys."""
    names = [name for name in HEADS if name in rows[0]]
    lines = [[HEADS[name][0] for name in names]]
    lines += [[format(row[name], HEADS[name][1]) for name in names] for row in rows]
    rule = "|" + "|".join("---" if name == "what" else "---:" for name in names) + "|"
    head, *body = (f"| {' | '.join(cells)} |" for cells in lines)
    return "\n".join([head, rule, *body])
