"""A dot plot of the quality table as SVG, drawn without a plotting library."""

import math
from collections.abc import Mapping, Sequence
from html import escape

WIDTH, LINE = 900, 22
LEFT, RIGHT, TOP, BOTTOM = 200, 30, 60, 20
COLOURS = ("#1b6ca8", "#e09f3e", "#d1495b", "#3b8b5a", "#6c4ab6")
TICKS = (20, 30, 50, 100, 200, 500, 1000, 2000)
MAX_RATIO = 50
"""Values above this multiple of the floor are drawn as arrows, to keep the scale readable."""


def chart(columns: Sequence[str], rows: Mapping[str, Sequence[float | None]], floor: float) -> str:
    """Return an SVG with a line per row and a dot per column, on a logarithmic scale.

    The row with the lowest value comes first.

    Args:
        columns: names of the columns, at most as many as there are colours.
        rows: the values of each row, by row name; None for a missing value.
        floor: a lower bound of all values, drawn as a dashed line.
    """
    values = [value for row in rows.values() for value in row if value is not None]
    scale = _Scale(floor * 0.95, min(max(values), MAX_RATIO * floor) * 1.05)
    height = TOP + LINE * len(rows) + BOTTOM
    best = sorted(rows.items(), key=lambda row: min(filter(None, row[1]), default=math.inf))
    parts = [
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
        *(_legend(number, name) for number, name in enumerate(columns)),
        *(_rule(scale.x(tick), f"{tick:,}", height) for tick in TICKS if scale.holds(tick)),
        _rule(scale.x(floor), f"dense {floor:.1f}", height, 'stroke="#222" stroke-dasharray="3 3"'),
        *(_row(name, row, TOP + LINE * (i + 0.5), scale) for i, (name, row) in enumerate(best)),
    ]
    size = f'viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="13"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}>\n' + "\n".join(parts) + "\n</svg>\n"


class _Scale:
    def __init__(self, low: float, high: float) -> None:
        self._low, self._high = low, high

    def holds(self, value: float) -> bool:
        return (
            1.2 * self._low < value <= self._high
        )  # lower ones would overlap the label of the floor

    def is_outside(self, value: float) -> bool:
        return value > self._high

    def x(self, value: float) -> float:
        share = math.log(value / self._low) / math.log(self._high / self._low)
        return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)


def _row(name: str, values: Sequence[float | None], y: float, scale: _Scale) -> str:
    dots = [
        _dot(value, y, COLOURS[column], scale)
        for column, value in enumerate(values)
        if value is not None
    ]
    line = f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}" stroke="#eee"/>'
    return line + _text(LEFT - 10, y + 4, name, "end") + "".join(dots)


def _dot(value: float, y: float, colour: str, scale: _Scale) -> str:
    title = f"<title>{value:,.2f}</title>"
    if scale.is_outside(value):
        edge = WIDTH - RIGHT
        corners = f"{edge},{y - 6} {edge + 10},{y} {edge},{y + 6}"
        return f'<polygon points="{corners}" fill="{colour}">{title}</polygon>'
    return f'<circle cx="{scale.x(value)}" cy="{y}" r="5" fill="{colour}">{title}</circle>'


def _rule(x: float, name: str, height: float, style: str = 'stroke="#ddd"') -> str:
    line = f'<line x1="{x}" x2="{x}" y1="{TOP}" y2="{height - BOTTOM}" {style}/>'
    return line + _text(x, TOP - 6, name, "middle")


def _legend(number: int, name: str) -> str:
    x = LEFT + 90 * number
    return f'<circle cx="{x}" cy="18" r="5" fill="{COLOURS[number]}"/>' + _text(x + 10, 22, name)


def _text(x: float, y: float, text: str, anchor: str = "start") -> str:
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}" fill="#222">{escape(text)}</text>'
