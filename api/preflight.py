"""What can be known about a job's model and text before its row is written."""

import codecs
import json
import os
import stat
from collections.abc import Callable
from pathlib import Path

from api.hub import Hub, HubSilentError
from api.settings import ApiSettings
from db.errors import SpecRefusedError
from db.references import (
    HubDataset,
    HubRepo,
    LocalPath,
    parse_dataset,
    parse_model,
    require_safetensors,
)
from db.spec import PruneSpec

HEAD_BYTES = 1 << 16
"""How much of a text is looked at; the worker reads it all."""


class Preflight:
    """Looks before a job is accepted, as far as this side can see."""

    def __init__(self, settings: ApiSettings, hub: Hub) -> None:
        self._settings, self._hub = settings, hub

    def check(self, spec: PruneSpec) -> list[str]:
        """Return what could not be checked, in words for the caller.

        Raises:
            SpecRefusedError: the worker could not use what a field names.
        """
        warnings = self._model(spec.model, spec.revision)
        warnings += self._dataset("dataset", spec.dataset)
        if spec.eval_dataset is not None:
            warnings += self._dataset("eval_dataset", spec.eval_dataset)
        return warnings

    def _model(self, name: str, revision: str | None) -> list[str]:
        reference = parse_model(name, revision, self._settings.model_roots)
        if isinstance(reference, LocalPath):
            require_safetensors(_names(name, reference.path), "model", name)
            return []
        return _unless_silent("model", name, lambda: self._hub_model(name, reference))

    def _hub_model(self, name: str, reference: HubRepo) -> None:
        files = self._hub.model_files(reference.id, reference.revision)
        require_safetensors(files, "model", name)

    def _dataset(self, field: str, name: str) -> list[str]:
        reference = parse_dataset(name, self._settings.dataset_roots, field)
        if isinstance(reference, LocalPath):
            _peek(field, name, reference.path)
        if isinstance(reference, HubDataset):
            return _unless_silent(field, name, lambda: self._hub.find_dataset(field, reference.id))
        return []


def _unless_silent(field: str, name: str, ask: Callable[[], None]) -> list[str]:
    try:
        ask()
    except HubSilentError as silent:
        return [f"{field} {name} was not checked: {silent}. The worker will look again."]
    return []


def _names(name: str, folder: Path) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError as error:
        raise SpecRefusedError(
            "model",
            name,
            "unreadable_model",
            f"the folder cannot be read ({error.strerror})",
            "Name a folder with config.json and *.safetensors that the service may read.",
        ) from None


def _peek(field: str, name: str, path: Path) -> None:
    """Read the beginning of a text, which shows most of what can be wrong with it."""
    try:
        head, is_whole = _head(path)
        text = codecs.getincrementaldecoder("utf-8")().decode(head, final=is_whole)
    except OSError as error:
        raise _unreadable(field, name, f"it cannot be read ({error.strerror})") from None
    except UnicodeDecodeError as error:
        raise _unreadable(field, name, f"byte {error.start} is not UTF-8") from None
    if "\0" in text:
        raise _unreadable(field, name, "it holds NUL bytes, so it is no text")
    if not text.strip() and is_whole:
        raise _unreadable(field, name, "it is empty")
    if path.suffix in {".jsonl", ".json", ".ndjson"}:
        _peek_rows(field, name, text if is_whole else text.rpartition("\n")[0])


def _head(path: Path) -> tuple[bytes, bool]:
    # A pipe or a device would block the open, or never end.
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError(None, "it is no plain file")
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
        return head, len(head) < HEAD_BYTES


def _peek_rows(field: str, name: str, text: str) -> None:
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip() and not _is_row(line):
            reason = f"line {number} is no JSON object with text or input_ids"
            raise _unreadable(field, name, reason)


def _is_row(line: str) -> bool:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return False
    return isinstance(row, dict) and bool({"text", "input_ids"} & row.keys())


def _unreadable(field: str, name: str, reason: str) -> SpecRefusedError:
    remedy = "Name a UTF-8 text file, or a JSONL file whose rows hold text or input_ids."
    return SpecRefusedError(field, name, "unreadable_dataset", reason, remedy)
