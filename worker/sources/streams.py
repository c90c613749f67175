"""Text of hub datasets, streamed: only the beginning of a split is read, and no script is run."""

import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import yaml
from datasets import DatasetBuilder, disable_progress_bars, load_dataset_builder
from datasets.exceptions import DatasetsError
from huggingface_hub import DatasetCard, HfApi, hf_hub_download
from huggingface_hub.errors import EntryNotFoundError

from db.core.errors import SpecRefusedError
from db.core.operator_keys import kept_hub_token
from db.spec.datasets.rows import ChatRow, DatasetName, IdsRow, RowReader, TextRow
from worker.sources import hub_errors
from worker.sources.documents import CHAT_JOINER, Part, Render, Text, every_tenth
from worker.sources.hub_datasets import HubText

MAX_CHARACTERS = 16 << 20
"""The number of characters that are read from a dataset's beginning. If windows are cut from single
documents, it is four times as many, because few documents are long enough."""

COLUMNS = ("text", "sentence", "content", "document", "messages")
FORMATS = ("parquet", "json")
CARDS = ("README.md", ".huggingface.yaml")
DATA = "Name a dataset of Parquet or JSONL files with a column of text."


def read_hub_text(
    source: HubText, dataset: DatasetName, part: Part, render: Render, *, hold_out: bool
) -> Text:
    """Read the beginning of one part of a dataset on the hub.

    The calibration uses the training split, or else another one. The evaluation uses the test
    split, or else the validation split, or else the same split as the calibration. If both use the
    same split and ``hold_out`` is set, the evaluation gets every tenth document and the calibration
    all others.

    Raises:
        SpecRefusedError: the dataset cannot be read, or contains no text.
    """
    disable_progress_bars()
    refusals = _Refusals(dataset)
    with hub_errors.refusals(dataset.field, dataset.name, source.revision), refusals.translated():
        repo, commit = _pin(source, refusals)
        splits = _open(source, refusals, repo, commit).as_streaming_dataset()
        split, shares = _choose(list(splits), part, hold_out)
        documents, are_chats = _documents(source, refusals, splits[split], part, render)
    if shares:
        documents = every_tenth(documents, part)
        split = f"{split}, {'every tenth' if part == 'evaluation' else 'nine of ten'}"
    if not any(map(str.strip, documents)):
        raise refusals.refused(f"its split {split} contains no text", DATA)
    return Text(
        documents,
        split,
        joiner=CHAT_JOINER if are_chats else source.joiner,
        revision=commit,
        samples_documents=source.samples_documents,
        max_windows=source.eval_windows,
        text_field=dataset.text_field,
    )


class _Refusals:
    """Builds the errors that reject one dataset, and converts its reader's errors to them."""

    def __init__(self, dataset: DatasetName) -> None:
        self.dataset = dataset

    def refused(self, reason: str, remedy: str, code: str = "unreadable_dataset") -> Exception:
        return SpecRefusedError(self.dataset.field, self.dataset.name, code, reason, remedy)

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Convert the dataset reader's errors to refusals; a lost connection has its own code."""
        try:
            yield
        except ConnectionError as error:
            raise self.refused(_first_line(error), hub_errors.RETRY, "hub_unreachable") from error
        except (DatasetsError, FileNotFoundError, RuntimeError) as error:
            raise self.refused(_first_line(error), DATA) from error
        except (ValueError, KeyError, TypeError, EOFError, zlib.error) as error:
            reason = f"its files cannot be read ({type(error).__name__}: {_first_line(error)})"
            raise self.refused(reason, DATA) from error


def _pin(source: HubText, refusals: _Refusals) -> tuple[str, str]:
    """Return the repository's current id and the commit to read."""
    info = HfApi().dataset_info(
        source.repo,
        revision=source.revision,
        timeout=hub_errors.LOOKUP_TIMEOUT_S,
        token=kept_hub_token(),
    )
    # Without an owner, or below "buckets", the library would not read a dataset repository.
    if "/" not in info.id or info.id.startswith("buckets/") or info.sha is None:
        raise refusals.refused("it is not a dataset repository", "Write org/name.", "invalid_name")
    return info.id, info.sha


def _open(source: HubText, refusals: _Refusals, repo: str, commit: str) -> DatasetBuilder:
    _refuse_foreign_files(refusals, repo, commit)
    root = f"hf://datasets/{repo}"
    files = {split: [file] for split, file in source.files.items()} if source.files else None
    try:
        builder = load_dataset_builder(
            root, source.config, data_files=files, revision=commit, token=kept_hub_token()
        )
    except ValueError as error:
        raise _without_config(source, refusals, error) from error
    if type(builder).__module__.rpartition(".")[2] not in FORMATS:
        reason = f"its files are read by {type(builder).__name__}, not as Parquet or JSONL"
        raise refusals.refused(reason, DATA)
    # A dataset card can name files anywhere, including local ones.
    for file in (file for files in builder.config.data_files.values() for file in files):
        if not str(file).startswith(f"{root}@{commit}/"):
            raise refusals.refused(f"it names {file}, which is outside the repository", DATA)
    return builder


def _refuse_foreign_files(refusals: _Refusals, repo: str, commit: str) -> None:
    """Refuse a dataset card that names files outside its repository.

    The reader would open such files, on this machine or at any address. So the card is checked
    before the reader is created.
    """
    for name in CARDS:
        try:
            path = hf_hub_download(
                repo, name, repo_type="dataset", revision=commit, token=kept_hub_token()
            )
        except EntryNotFoundError:
            continue
        for text in _strings(_card(Path(path))):
            if "://" in text or "::" in text or text.startswith(("/", "~")) or ".." in text:
                reason = f"its {name} names {text[:100]!r}, which is outside the repository"
                raise refusals.refused(reason, DATA)


def _card(path: Path) -> Any:
    if path.suffix == ".md":
        return DatasetCard.load(path, ignore_metadata_errors=True).data.to_dict().get("configs")
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _strings(part)


def _without_config(source: HubText, refusals: _Refusals, error: ValueError) -> Exception:
    text = str(error)
    if "onfig" not in text or "[" not in text:
        return error
    offered = text[text.index("[") + 1 : text.index("]")].replace("'", "")
    if source.config is None:
        reason = "it has several configurations"
    else:
        reason = f"it has no configuration {source.config!r}"
    remedy = f"Write {source.repo}:CONFIG with one of {offered}."
    return refusals.refused(reason, remedy, "dataset_config")


def _choose(splits: list[str], part: Part, hold_out: bool) -> tuple[str, bool]:
    """Return the split for a part, and whether the split is divided between both parts."""
    held_out = next((name for name in ("test", "validation", "dev") if name in splits), None)
    others = [name for name in splits if name not in {"test", "validation", "dev"}]
    calibration = "train" if "train" in splits else (others or splits)[0]
    if part == "evaluation" and held_out and held_out != calibration:
        return held_out, False
    return calibration, hold_out and held_out in {None, calibration}


def _documents(
    source: HubText,
    refusals: _Refusals,
    rows: Iterable[Mapping[str, Any]],
    part: Part,
    render: Render,
) -> tuple[list[str], bool]:
    """Return the documents, and whether they are conversations."""
    if part == "evaluation" and source.eval_documents is not None:
        rows = islice(rows, source.eval_documents)
    left = MAX_CHARACTERS * (4 if source.samples_documents else 1)
    column, reader = source.column, None
    documents: list[str] = []
    are_chats = False
    for number, fields in enumerate(rows, 1):
        column = column or _column(fields, refusals)
        if fields.get(column, "") is None:
            continue
        reader = reader or RowReader(refusals.dataset, "row", column)
        match reader.row(number, fields):
            case TextRow(_, text):
                documents.append(text)
            case ChatRow(_, messages):
                are_chats = True
                documents.append(render(messages, f"row {number}"))
            case IdsRow():
                raise refusals.refused(
                    f"its {column} are token ids, which are allowed in files only", DATA
                )
        left -= len(documents[-1]) + len(source.joiner)
        if left < 0:
            break
    return documents, are_chats


def _column(row: Mapping[str, Any], refusals: _Refusals) -> str:
    holding_text = [name for name, value in row.items() if isinstance(value, str)]
    known = [name for name in COLUMNS if name in row]
    if columns := known or (holding_text if len(holding_text) == 1 else []):
        return columns[0]
    raise refusals.dataset.missing_field(f"of {', '.join(COLUMNS)}", row)


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0][:300]
