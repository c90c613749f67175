"""The uploaded datasets: written down once for the same bytes, used by jobs, deleted."""

from collections.abc import Iterable
from contextlib import suppress

from sqlalchemy import or_, select, type_coerce
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from db.core.errors import DatasetInUseError, DatasetNotFoundError
from db.core.states import FINAL, JobState
from db.spec.prune_spec import PruneSpec
from db.spec.upload_store import UPLOADED, not_uploaded
from db.tables.base import SEARCHED
from db.tables.datasets import Dataset
from db.tables.jobs import Job

FIELDS = ("dataset", "eval_dataset")
"""Where a job may name one."""
NAMED = 3
"""How many jobs a refusal names."""


class DatasetRepository:
    """The uploaded datasets in one session, which this never commits."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, dataset: Dataset) -> Dataset:
        """Write a dataset down and return it; or the one that has the same bytes already."""
        while (known := self.same(dataset)) is None:
            # Another request may be writing the same bytes down: then its row is found next.
            with suppress(IntegrityError), self._session.begin_nested():
                self._session.add(dataset)
        return known

    def same(self, dataset: Dataset) -> Dataset | None:
        """Return the dataset that has these bytes and is read in the same way."""
        query = select(Dataset).where(Dataset.sha256 == dataset.sha256)
        return self._session.scalar(query.where(Dataset.media_type == dataset.media_type))

    def get(self, dataset_id: str) -> Dataset:
        """Return one dataset.

        Raises:
            DatasetNotFoundError: there is none.
        """
        if (found := self._session.get(Dataset, dataset_id, populate_existing=True)) is None:
            raise DatasetNotFoundError(dataset_id)
        return found

    def all(self) -> list[Dataset]:
        """Return every uploaded dataset, newest first."""
        return list(self._session.scalars(select(Dataset).order_by(Dataset.id.desc())))

    def gone(self, ids: Iterable[str]) -> set[str]:
        """Return which of these datasets there are no longer, or not yet."""
        return set(ids) - set(self._session.scalars(select(Dataset.id)))

    def require(self, spec: PruneSpec) -> None:
        """Keep the datasets that a new job names from being deleted until it is written.

        Raises:
            SpecRefusedError: one of them is not there.
        """
        for field in FIELDS:
            name = getattr(spec, field) or ""
            if name.startswith(UPLOADED):
                query = select(Dataset.id).where(Dataset.id == name.removeprefix(UPLOADED))
                if self._session.scalar(query.with_for_update(read=True)) is None:
                    raise not_uploaded(name, field)

    def digests(self, spec: PruneSpec) -> dict[str, str]:
        """Return the sha256 of each uploaded dataset that a job names, by the name it uses."""
        names = {getattr(spec, field) or "" for field in FIELDS}
        ids = [name.removeprefix(UPLOADED) for name in names if name.startswith(UPLOADED)]
        found = self._session.scalars(select(Dataset).where(Dataset.id.in_(ids)))
        return {dataset.reference: dataset.sha256 for dataset in found}

    def delete(self, dataset_id: str) -> None:
        """Delete a dataset's row.

        Raises:
            DatasetNotFoundError: there is none.
            DatasetInUseError: a job that has not ended needs it.
        """
        query = select(Dataset).where(Dataset.id == dataset_id).with_for_update()
        if (dataset := self._session.scalar(query)) is None:
            raise DatasetNotFoundError(dataset_id)
        if users := self._users(dataset):
            raise DatasetInUseError(dataset_id, users)
        self._session.delete(dataset)
        self._session.flush()

    def _users(self, dataset: Dataset) -> list[str]:
        """Return some of the jobs that have not ended and name the dataset."""
        spec = type_coerce(Job.spec, SEARCHED)
        names_it = or_(*(spec[field].as_string() == dataset.reference for field in FIELDS))
        unfinished = Job.status.in_([state for state in JobState if state not in FINAL])
        query = select(Job.id).where(unfinished, names_it).order_by(Job.id)
        return list(self._session.scalars(query.limit(NAMED)))
