"""The datasets of questions that a specification names."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from db.spec.datasets.files import DataFile
from db.spec.descriptions.option import value_of
from db.spec.options.tasks import question_file
from db.spec.prune_spec import OPTIONS, PruneSpec

QUESTION_FIELDS = tuple(name for option in OPTIONS for name in option.questions)


def named_questions(spec: PruneSpec) -> Iterator[tuple[str, str]]:
    """Yield the fields that name datasets of questions, each with a name."""
    for field in QUESTION_FIELDS:
        value = value_of(spec, field)
        names = [value] if isinstance(value, str) else value or ()
        yield from ((field, name) for name in names)


def question_files(
    spec: PruneSpec, roots: Sequence[Path] | None, uploads: Path | None
) -> Iterator[DataFile]:
    """Yield the files of the datasets of questions.

    Args:
        spec: the specification.
        roots: the folders in which local files are allowed; if None, any file is allowed.
        uploads: the folder of uploaded datasets.

    Raises:
        SpecRefusedError: a name is that of no file below an allowed root, and of no dataset in the
            folder ``uploads``.
    """
    for field, name in named_questions(spec):
        if (file := question_file(name, field, roots, uploads)) is not None:
            yield file
