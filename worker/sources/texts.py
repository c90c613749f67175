"""The documents of any dataset, for calibration or for evaluation."""

import platform
from collections.abc import Sequence
from importlib import import_module

from db.spec.datasets.files import ChatRow, DataFile, IdsRow, TextRow
from db.spec.datasets.rows import DatasetName
from db.spec.inputs.references import Builtin, DatasetReference, HubDataset, LocalPath
from worker.sources import stdlib
from worker.sources.documents import CHAT_JOINER, JOINER, Part, Render, Text, every_tenth
from worker.sources.hub_datasets import BUILTIN_TEXTS, HubText


def load_texts(
    reference: DatasetReference,
    part: Part,
    render: Render,
    *,
    field: str = "dataset",
    hold_out: bool = True,
) -> Text:
    """Read the part of a dataset that calibration or evaluation uses.

    Args:
        reference: the dataset, as returned by ``parse_dataset``.
        part: ``calibration`` or ``evaluation``.
        render: renders chat messages as text.
        field: the field of the specification that names the dataset.
        hold_out: whether a dataset without a separate test or validation split is divided between
            the two parts; the standard-library dataset always is.

    Raises:
        SpecRefusedError: the dataset cannot be read.
    """
    match reference:
        case Builtin("stdlib-docs"):
            return _stdlib(stdlib.documents(), part)
        case Builtin("stdlib-code"):
            return _stdlib(stdlib.code(), part)
        case Builtin(name):
            dataset = DatasetName(field, reference.name)
            return _streamed(BUILTIN_TEXTS[name], dataset, part, render, hold_out)
        case HubDataset(repo, config, text_field):
            dataset = DatasetName(field, reference.name, text_field)
            source = HubText(repo, config, column=text_field)
            return _streamed(source, dataset, part, render, hold_out)
        case LocalPath(path, name, text_field):
            return _file(DataFile(path, field, name, text_field), part, render, hold_out)


def _stdlib(documents: Sequence[str], part: Part) -> Text:
    split = "every tenth module" if part == "evaluation" else "nine of ten modules"
    version = f"Python {platform.python_version()}"
    return Text(every_tenth(documents, part), split, revision=version)


def _streamed(
    source: HubText, dataset: DatasetName, part: Part, render: Render, hold_out: bool
) -> Text:
    # `datasets` imports Arrow and pandas, 90 MB that local texts do not need.
    streams = import_module("worker.sources.streams")
    text: Text = streams.read_hub_text(source, dataset, part, render, hold_out=hold_out)
    return text


def _file(file: DataFile, part: Part, render: Render, hold_out: bool) -> Text:
    rows = list(file.rows())
    documents = [
        row.text if isinstance(row, TextRow) else render(row.messages, f"line {row.line}")
        for row in rows
        if not isinstance(row, IdsRow)
    ]
    are_chats = isinstance(rows[0], ChatRow)
    split = "all"
    if hold_out:
        kept, held_out = _last_tenth(documents)
        documents = held_out if part == "evaluation" else kept
        split = "last tenth" if part == "evaluation" else "all but the last tenth"
    return Text(
        documents,
        split,
        joiner=CHAT_JOINER if are_chats else JOINER,
        file_sha256=file.sha256(),
        text_field=file.text_field,
    )


def _last_tenth(documents: list[str]) -> tuple[list[str], list[str]]:
    """Split off the last tenth of the documents; of a single one, about a tenth of its text."""
    if len(documents) > 1:
        cut = len(documents) - max(1, len(documents) // 10)
        return documents[:cut], documents[cut:]
    (text,) = documents
    cut = _line_near(text, len(text) * 9 // 10)
    return [text[:cut]], [text[cut:]]


def _line_near(text: str, wanted: int) -> int:
    """Return the line start nearest to index ``wanted``.

    If it is further away than 5 % of the text's length, return ``wanted`` itself.
    """
    starts = text.rfind("\n", 0, wanted) + 1, text.find("\n", wanted) + 1
    nearest = min(starts, key=lambda start: abs(start - wanted))
    return nearest if abs(nearest - wanted) < len(text) / 20 else wanted
