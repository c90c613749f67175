"""The uploaded datasets of a job, made available on the machine that reads them."""

from db.core.session import Sessions
from db.files.datasets import DatasetRepository
from db.spec.datasets.upload_store import UploadStore
from db.spec.prune_spec import PruneSpec


def fetch_uploads(sessions: Sessions, uploads: UploadStore, spec: PruneSpec) -> None:
    """Fetch the files of all uploaded datasets that a specification names.

    A dataset that does not exist is ignored; whoever reads it reports that.
    """
    with sessions() as session:
        named = DatasetRepository(session).named_by(spec)
    for dataset in named:
        uploads.fetch(dataset.id, dataset.media_type, dataset.sha256)
