"""A chart of the quality table, as SVG written by hand: no program is needed to draw it."""

import math
from collections.abc import Mapping, Sequence
from html import escape

WIDTH, HEIGHT = 900, 520
LEFT, RIGHT, TOP, BOTTOM = 60, 220, 30, 40
COLOURS = ("#1b6ca8", "#d1495b", "#3b8b5a", "#e09f3e", "#6c4ab6", "#5b5b5b", "#00a6a6", "#b5651d")
TICKS = (20, 30, 50, 100, 200, 300, 500, 1000, 2000, 5000, 10_000)

Point = tuple[float, float]


def chart(columns: Sequence[str], rows: Mapping[str, Sequence[float | None]], floor: float) -> str:
    """Draw each row's values over the columns, on a logarithmic scale.

    Args:
        columns: the names below.
        rows: by name, a value for each column, None where there is none.
        floor: a value to draw a dashed line at, below all others.
    """
    values = [value for row in rows.values() for value in row if value is not None]
    scale = _Scale(len(columns), floor * 0.9, max(values) * 1.1)
    parts = [_axes(columns, scale), _rule(scale.y(floor), f"dense {floor:.1f}", dashed=True)]
    drawn = sorted(rows.items(), key=lambda row: -(row[1][0] or 0.0))
    for number, (name, row) in enumerate(drawn):
        colour = COLOURS[number % len(COLOURS)]
        dash = "" if number < len(COLOURS) else ' stroke-dasharray="6 4"'
        points = [(scale.x(i), scale.y(v)) for i, v in enumerate(row) if v is not None]
        parts += [_line(points, colour, dash), _label(name, number, colour)]
    size = f'viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="13"'
    background = f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>'
    body = "\n".join([background, *parts])
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}>\n{body}\n</svg>\n'


class _Scale:
    def __init__(self, columns: int, low: float, high: float) -> None:
        self._columns, self.low, self.high = columns, low, high

    def x(self, column: int) -> float:
        step = (WIDTH - LEFT - RIGHT) / max(1, self._columns - 1)
        return round(LEFT + column * step, 1)

    def y(self, value: float) -> float:
        share = math.log(value / self.low) / math.log(self.high / self.low)
        return round(HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM), 1)


def _axes(columns: Sequence[str], scale: _Scale) -> str:
    names = [_text(scale.x(i), HEIGHT - 15, name, "middle") for i, name in enumerate(columns)]
    ticks = [_rule(scale.y(tick), f"{tick:,}") for tick in TICKS if scale.low <= tick <= scale.high]
    return "\n".join([*ticks, *names, _text(LEFT, 18, "perplexity", "end")])


def _rule(y: float, name: str, dashed: bool = False) -> str:
    style = 'stroke="#444" stroke-dasharray="2 3"' if dashed else 'stroke="#ddd"'
    rule = f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}" {style}/>'
    anchor = (WIDTH - RIGHT, y - 4, name, "end") if dashed else (LEFT - 6, y + 4, name, "end")
    return rule + _text(*anchor)


def _line(points: Sequence[Point], colour: str, dash: str) -> str:
    path = " ".join(f"{x},{y}" for x, y in points)
    dots = "".join(f'<circle cx="{x}" cy="{y}" r="3" fill="{colour}"/>' for x, y in points)
    return f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"{dash}/>{dots}'


def _label(name: str, number: int, colour: str) -> str:
    y = TOP + 10 + 20 * number
    x = WIDTH - RIGHT + 20
    return f'<circle cx="{x}" cy="{y - 4}" r="5" fill="{colour}"/>' + _text(x + 12, y, name)


def _text(x: float, y: float, words: str, anchor: str = "start") -> str:
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}" fill="#222">{escape(words)}</text>'
