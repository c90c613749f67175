"""The database rows of uploaded datasets, one for each combination of content and media type."""

from collections.abc import Iterable
from contextlib import suppress

from sqlalchemy import ColumnElement, or_, select, type_coerce
from sqlalchemy.exc import IntegrityError

from db.core.errors import DatasetInUseError, DatasetNotFoundError
from db.core.states import FINAL, JobState
from db.spec.datasets.upload_store import UPLOADED, not_uploaded
from db.spec.evaluation.question_files import QUESTION_FIELDS, named_questions
from db.spec.prune_spec import OPTIONS, PruneSpec, named_texts
from db.tables.base import SEARCHABLE_JSON
from db.tables.datasets import Dataset
from db.tables.jobs import Job
from db.tables.rows import Rows

FIELDS = tuple(name for option in OPTIONS for name in option.texts)
"""The fields of a specification that may name an uploaded dataset, beside those of several."""
LISTS = (*QUESTION_FIELDS, *(name for option in OPTIONS for name in option.text_lists))
MAX_USERS = 3
"""How many jobs `DatasetInUseError` lists at most."""
MAX_LISTED = 20
SEARCHED_JOBS = 5000
"""How many of the newest jobs are searched, because their specifications have no index."""


class DatasetRepository(Rows[Dataset]):
    """Stores and reads uploaded datasets; never commits."""

    table = Dataset
    error = DatasetNotFoundError

    def add(self, dataset: Dataset) -> Dataset:
        """Insert and return a dataset, or return the one with the same content and media type."""
        while (existing := self.same(dataset)) is None:
            # A concurrent request may insert the same content: then the next loop finds its row.
            with suppress(IntegrityError), self._session.begin_nested():
                self._session.add(dataset)
        return existing

    def same(self, dataset: Dataset) -> Dataset | None:
        """Return the dataset with the same content and media type, if any."""
        query = select(Dataset).where(Dataset.sha256 == dataset.sha256)
        return self._session.scalar(query.where(Dataset.media_type == dataset.media_type))

    def missing(self, ids: Iterable[str]) -> set[str]:
        """Return the ids for which there is no dataset."""
        return set(ids) - set(self._session.scalars(select(Dataset.id)))

    def require(self, spec: PruneSpec) -> None:
        """Lock the uploaded datasets that a new job names.

        This prevents their deletion until the transaction that adds the job is committed.

        Raises:
            SpecRefusedError: one of the datasets does not exist.
        """
        for field, name in _uploads(spec):
            query = select(Dataset.id).where(Dataset.id == name.removeprefix(UPLOADED))
            if self._session.scalar(query.with_for_update(read=True)) is None:
                raise not_uploaded(name, field)

    def digests(self, spec: PruneSpec) -> dict[str, str]:
        """Return the SHA-256 of each uploaded dataset in a specification, by its reference."""
        return {dataset.reference: dataset.sha256 for dataset in self.named_by(spec)}

    def named_by(self, spec: PruneSpec) -> list[Dataset]:
        """Return the uploaded datasets that a specification names, as far as they exist."""
        ids = {name.removeprefix(UPLOADED) for _, name in _uploads(spec)}
        if not ids:
            return []
        return list(self._session.scalars(select(Dataset).where(Dataset.id.in_(ids))))

    def delete(self, dataset_id: str) -> None:
        """Delete a dataset's row.

        Raises:
            DatasetNotFoundError: there is no such dataset.
            DatasetInUseError: unfinished jobs use it.
        """
        query = select(Dataset).where(Dataset.id == dataset_id).with_for_update()
        if (dataset := self._session.scalar(query)) is None:
            raise DatasetNotFoundError(dataset_id)
        if users := self._users(dataset):
            raise DatasetInUseError(dataset_id, users)
        self._session.delete(dataset)
        self._session.flush()

    def newest_users(self, dataset: Dataset) -> list[Job]:
        """Return up to `MAX_LISTED` of the newest jobs that name the dataset.

        Only the newest `SEARCHED_JOBS` jobs are searched.
        """
        newest = select(Job.id).order_by(Job.created_at.desc(), Job.id.desc())
        searched = Job.id.in_(newest.limit(SEARCHED_JOBS).scalar_subquery())
        query = select(Job).where(searched, _names(dataset))
        query = query.order_by(Job.created_at.desc(), Job.id.desc())
        return list(self._session.scalars(query.limit(MAX_LISTED)))

    def _users(self, dataset: Dataset) -> list[str]:
        """Return the ids of up to `MAX_USERS` unfinished jobs that use the dataset."""
        unfinished = Job.status.in_([state for state in JobState if state not in FINAL])
        query = select(Job.id).where(unfinished, _names(dataset)).order_by(Job.id)
        return list(self._session.scalars(query.limit(MAX_USERS)))


def _uploads(spec: PruneSpec) -> list[tuple[str, str]]:
    """Return the fields that name an uploaded dataset, each with the name."""
    named = [*((field, name) for field, name, _ in named_texts(spec)), *named_questions(spec)]
    return [(field, name) for field, name in named if name.startswith(UPLOADED)]


def _names(dataset: Dataset) -> ColumnElement[bool]:
    """Return SQL for whether a job's specification names the dataset."""
    spec = type_coerce(Job.spec, SEARCHABLE_JSON)
    paths = {field: tuple(field.split(".")) for field in (*FIELDS, *LISTS)}
    equal = (spec[path].as_string() == dataset.reference for path in paths.values())
    quoted = f'"{dataset.reference}"'  # a list is searched as JSON
    lists = (spec[paths[field]].as_string() for field in LISTS)
    listed = (text.contains(quoted, autoescape=True) for text in lists)
    return or_(*equal, *listed)
