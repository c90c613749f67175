"""A table as text: aligned columns for a terminal, tab-separated lines for programs."""

import re
from collections.abc import Iterator, Sequence

from rich.cells import cell_len, set_cell_size

from zpruner.cli.printable import printable

GAP = "  "
NARROWEST = 6
_ID = re.compile(r"[a-z]{3}_[0-9a-f]{32}")


class Table:
    """Rows of text under named columns; an id is never cut."""

    def __init__(self, *names: str) -> None:
        self._names = names
        self._rows: list[list[str]] = []

    def add_row(self, *cells: str | None) -> None:
        """Add a row; line breaks and tabs in a cell become spaces, other controls are escaped."""
        self._rows.append([printable(" ".join((cell or "").split())) for cell in cells])

    def tabbed(self) -> Iterator[str]:
        """Yield each row as a line of cells separated by tabs; omit the column names."""
        return ("\t".join(row) for row in self._rows)

    def aligned(self, width: int) -> Iterator[str]:
        """Yield a line of column names and a line for each row; long cells are cut to fit."""
        rows = [[*self._names], *self._rows]
        columns = list(zip(*rows, strict=True))
        widths = [max(map(cell_len, column)) for column in columns]
        _shrink(widths, [not any(map(_ID.fullmatch, column)) for column in columns], width)
        for row in rows:
            yield GAP.join(_fitted(*cell) for cell in zip(row, widths, strict=True)).rstrip()


def _shrink(widths: list[int], may_shrink: Sequence[bool], width: int) -> None:
    """Narrow the widest columns until the table fits or no column may become narrower."""
    excess = sum(widths) + len(GAP) * (len(widths) - 1) - width
    for _ in range(excess):
        candidates = [at for at, may in enumerate(may_shrink) if may and widths[at] > NARROWEST]
        if not candidates:
            return
        widths[max(candidates, key=widths.__getitem__)] -= 1


def _fitted(cell: str, width: int) -> str:
    if cell_len(cell) > width:
        return set_cell_size(cell, width - 1) + "…"
    return set_cell_size(cell, width)
