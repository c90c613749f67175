"""The name of a model or dataset in a specification, and the local path that it may stand for."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from db.core.errors import SpecRefusedError
from db.spec.datasets.files import ROW_SUFFIXES
from db.spec.inputs.bucket_references import S3

LOCAL = "local:"
QUESTIONS = {"tasks", "rank_answers.dataset"}
"""The fields that name datasets of questions."""
DATA_SUFFIXES = (".txt", *ROW_SUFFIXES)


@dataclass(frozen=True)
class InputName:
    """The name of a model or dataset, and the field of the specification that holds it.

    ``roots`` are the folders in which local paths are allowed; if None, any path is allowed.
    """

    field: str
    value: str
    roots: Sequence[Path] | None

    @property
    def kind(self) -> str:
        return "model" if self.field == "model" else "dataset"

    @property
    def is_in_bucket(self) -> bool:
        """Whether it is the URL of a bucket; not on the command line, which reads no buckets."""
        return self.roots is not None and self.value.startswith(S3)

    def refused(self, code: str, reason: str, remedy: str) -> SpecRefusedError:
        return SpecRefusedError(self.field, self.value, code, reason, remedy)


def refuse_urls(name: InputName) -> None:
    if "://" in name.value or "::" in name.value:
        raise name.refused(
            "invalid_name", "URLs and chained paths are not supported", "Write the Hugging Face id."
        )
    if not name.value.isprintable():
        raise name.refused(
            "invalid_name", "it has characters that are not printable", "Remove them."
        )


def local_path(name: InputName) -> Path | None:
    """Return the resolved path of a local name, or None for a name on the hub."""
    rest = name.value.removeprefix(LOCAL)
    if rest == name.value and not _looks_local(name):
        return None
    if name.roots is None:
        return Path(rest).expanduser().resolve()
    paths = [path for root in name.roots if (path := _below(root, rest)) is not None]
    # Unlike Path.exists, os.path.exists raises nothing for long names and unreadable folders.
    existing = next((path for path in paths if os.path.exists(path)), None)
    return existing or _first_allowed(name, paths)


def _looks_local(name: InputName) -> bool:
    """Whether the name is a local path.

    Relative paths are recognised only if ``roots`` is None, as on the command line.
    """
    if name.value.startswith("/"):
        return True
    if name.roots is not None:
        return False
    plain = name.value.startswith(("./", "../", "~")) or os.path.exists(name.value)
    return plain or (name.kind == "dataset" and name.value.endswith(DATA_SUFFIXES))


def _below(root: Path, rest: str) -> Path | None:
    """Return ``root / rest`` with all links resolved, or None if that is outside the root."""
    base = Path(os.path.realpath(root))
    path = Path(os.path.realpath(base / rest))
    return path if path == base or base in path.parents else None


def _first_allowed(name: InputName, paths: Sequence[Path]) -> Path:
    if paths:
        return paths[0]
    raise name.refused(
        "outside_roots",
        "it is outside of the folders that jobs may read" if name.roots else "no folder is allowed",
        f"Name a Hugging Face id, or a path below a folder of ZPRUNER_{name.kind.upper()}_ROOTS.",
    )


def require_file(name: InputName, path: Path) -> None:
    if not os.path.isfile(path):
        reason = "it is a folder" if os.path.isdir(path) else "there is no such file"
        kinds = "JSONL" if name.field in QUESTIONS else "text, JSONL, CSV or Parquet"
        raise name.refused("unreadable_dataset", reason, f"Name a {kinds} file that exists.")
    if not os.access(path, os.R_OK):
        raise name.refused(
            "unreadable_dataset", "the service has no permission to read the file", "Grant it."
        )
