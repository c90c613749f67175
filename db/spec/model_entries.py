"""A check of the entries of a local model's folder, before any file in it is opened."""

import os
from collections.abc import Sequence
from pathlib import Path

from huggingface_hub import constants

from db.core.refusals import refused

READ = (".safetensors", ".json", ".txt", ".model", ".jinja", ".tiktoken")
"""The suffixes of the files that may be read later."""


def check_model_entries(folder: Path, name: str, roots: Sequence[Path] | None) -> None:
    """Check the files that may be read later.

    Links into the hub's cache are allowed, because a model can be linked from there file by file.

    Args:
        folder: the model's folder.
        name: the model's name in the specification.
        roots: the folders that may contain models; None if any folder may.

    Raises:
        SpecRefusedError: a file is a link out of the roots, or cannot be read like a file, such as
            a pipe, from which a reader waits forever.
    """
    try:
        files = os.listdir(folder)
    except OSError as error:
        reason = f"its files cannot be read ({error.strerror})"
        raise refused(name, "unreadable_model", reason, "Grant the right to read them.") from error
    places = None if roots is None else [*roots, Path(constants.HF_HUB_CACHE)]
    for file in (file for file in files if file.endswith(READ)):
        real = Path(os.path.realpath(folder / file))
        if places is not None and not any(real.is_relative_to(os.path.realpath(p)) for p in places):
            reason = f"its file {file!r} is a link out of the allowed folders"
            raise refused(name, "outside_roots", reason, "Replace the link by a copy of the file.")
        if os.path.exists(real) and not (os.path.isfile(real) or os.path.isdir(real)):
            reason = f"its file {file!r} is not a regular file"
            raise refused(name, "unreadable_model", reason, "Remove it.")
