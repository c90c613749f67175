"""The documents of a dataset, for calibration or for evaluation."""

import platform
from importlib import import_module

from db.datafiles import DataFile, TextRow
from db.references import Builtin, DatasetReference, HubDataset, LocalPath
from worker.sources import stdlib
from worker.sources.catalog import BUILTIN_TEXTS, HubText
from worker.sources.documents import Part, Text, every_tenth


def load_texts(
    reference: DatasetReference, part: Part, *, field: str = "dataset", hold_out: bool = True
) -> Text:
    """Read the part of a dataset that calibration or evaluation uses.

    Args:
        reference: what ``parse_dataset`` returned.
        part: which of the two.
        field: the field of the specification to name in a refusal.
        hold_out: whether a text without splits of its own is divided between the two.

    Raises:
        SpecRefusedError: the dataset cannot be read.
    """
    match reference:
        case Builtin("stdlib-docs"):
            return _stdlib(part)
        case Builtin(name):
            return _streamed(BUILTIN_TEXTS[name], name, part, field, hold_out)
        case HubDataset(repo, config):
            return _streamed(HubText(repo, config), reference.name, part, field, hold_out)
        case LocalPath(path, name):
            return _file(DataFile(path, field, name), part, hold_out)


def _stdlib(part: Part) -> Text:
    split = "every tenth module" if part == "evaluation" else "nine of ten modules"
    version = f"Python {platform.python_version()}"
    return Text(every_tenth(stdlib.documents(), part), split, revision=version)


def _streamed(source: HubText, name: str, part: Part, field: str, hold_out: bool) -> Text:
    # `datasets` brings Arrow and pandas, 90 MB resident that no local text needs.
    streams = import_module("worker.sources.streams")
    text: Text = streams.stream(source, name, part, field=field, hold_out=hold_out)
    return text


def _file(file: DataFile, part: Part, hold_out: bool) -> Text:
    documents = [row.text for row in file.rows() if isinstance(row, TextRow)]
    digest = file.sha256()
    if not hold_out:
        return Text(documents, "all", file_sha256=digest)
    kept, held_out = _last_tenth(documents)
    if part == "evaluation":
        return Text(held_out, "last tenth", file_sha256=digest)
    return Text(kept, "all but the last tenth", file_sha256=digest)


def _last_tenth(documents: list[str]) -> tuple[list[str], list[str]]:
    """Divide documents, or a single one at the line nearest to nine tenths of it."""
    if len(documents) > 1:
        cut = len(documents) - max(1, len(documents) // 10)
        return documents[:cut], documents[cut:]
    (text,) = documents
    cut = _line_near(text, len(text) * 9 // 10)
    return [text[:cut]], [text[cut:]]


def _line_near(text: str, wanted: int) -> int:
    """Return where a line begins, or ``wanted`` itself where none does within a twentieth."""
    starts = text.rfind("\n", 0, wanted) + 1, text.find("\n", wanted) + 1
    nearest = min(starts, key=lambda start: abs(start - wanted))
    return nearest if abs(nearest - wanted) < len(text) / 20 else wanted
