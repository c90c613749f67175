"""The quality table, stored as JSON after each cell and rendered as Markdown."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.machine import machine
from benchmarks.quality.table_file import opened

CELL_KEYS = ("pruned_perplexity", "sparsity", "prune_seconds")


@dataclass(frozen=True)
class Table:
    """Perplexity by combination and pattern.

    Attributes:
        path: the JSON file.
        content: the file's content: ``protocol`` (the settings that all cells share),
            ``dense_perplexity``, ``cells`` by combination and pattern, and, once a cell is stored,
            ``evaluation`` (how perplexity was measured) and ``machine``.
    """

    path: Path
    content: dict[str, Any]

    @classmethod
    def open(cls, path: Path, protocol: dict[str, object], resume: bool) -> "Table":
        """Return the table in the file if ``resume`` is set and the file exists; else a new one.

        Raises:
            SystemExit: the table in the file was measured with another protocol.
        """
        empty: dict[str, Any] = {"dense_perplexity": None, "cells": {}}
        return cls(path, empty | opened(path, protocol, resume))

    def put(self, name: str, pattern: str, metrics: dict[str, Any]) -> None:
        """Store a cell and write the file."""
        measured = machine()
        cell = {key: metrics[key] for key in CELL_KEYS} | {"commit": measured.pop("commit")}
        self.content["cells"].setdefault(name, {})[pattern] = cell
        self.content["dense_perplexity"] = metrics["dense_perplexity"]
        self.content.update(evaluation=metrics["protocol"], machine=measured)
        self.path.parent.mkdir(exist_ok=True)
        self.path.write_text(json.dumps(self.content, indent=1, ensure_ascii=False) + "\n")

    def perplexity(self, name: str, pattern: str) -> float | None:
        """Return the perplexity of a cell, or None if it was not measured."""
        cell = self.content["cells"].get(name, {}).get(pattern)
        return float(cell["pruned_perplexity"]) if cell else None

    def markdown(self, names: Sequence[str], patterns: Sequence[str]) -> str:
        """Return the measured rows as Markdown; the best value of each column is bold."""
        names = [name for name in names if name in self.content["cells"]]
        columns = [[self.perplexity(name, pattern) for name in names] for pattern in patterns]
        best = [min(filter(None, column), default=None) for column in columns]
        lines = [f"| {' | '.join(['', *patterns])} |", f"|---|{'---:|' * len(patterns)}"]
        for row, name in enumerate(names):
            cells = (_cell(column[row], least) for column, least in zip(columns, best, strict=True))
            lines.append(f"| {' | '.join([name, *cells])} |")
        return "\n".join([*lines, "", self._caption(), ""])

    def _caption(self) -> str:
        given = self.content["protocol"]
        return (
            f"Perplexity of {given['model']} (dense: {self.content['dense_perplexity']:.2f}), "
            f"calibrated on {given['samples']} x {given['seq_len']} tokens of {given['dataset']}, "
            f"measured on the first {self.content['evaluation']['tokens']:,} of "
            f"{given['eval_dataset']}."
        )


def _cell(value: float | None, best: float | None) -> str:
    if value is None:
        return ""
    return f"**{value:.2f}**" if value == best else f"{value:.2f}"
