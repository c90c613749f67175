"""The datasets of questions that a specification names."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from db.spec.datasets.files import DataFile
from db.spec.evaluation.rank_answers import FIELD
from db.spec.prune_spec import PruneSpec
from db.spec.zero_shot import question_file


def question_files(
    spec: PruneSpec, roots: Sequence[Path] | None, uploads: Path | None
) -> Iterator[DataFile]:
    """Yield the files of the tasks that are datasets, and that of the questions to be ranked.

    Args:
        spec: the specification.
        roots: the folders in which local files are allowed; if None, any file is allowed.
        uploads: the folder of uploaded datasets.

    Raises:
        SpecRefusedError: a name is that of no file below an allowed root, and of no dataset in the
            folder ``uploads``.
    """
    names = [("tasks", name) for name in spec.tasks or ()]
    if spec.rank_answers is not None and spec.rank_answers.dataset is not None:
        names.append((FIELD, spec.rank_answers.dataset))
    for field, name in names:
        if (file := question_file(name, field, roots, uploads)) is not None:
            yield file
