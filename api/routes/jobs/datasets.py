"""Routes of built-in and uploaded datasets."""

import logging
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from api.core.caller import CallerDep
from api.middleware.request_limits import UPLOAD_PATH
from api.middleware.writers import WritingRoute
from api.routes.dependencies import DatasetId, ServiceDep
from api.routes.jobs.uploads import KINDS, Received, ReceivedDep
from api.schemas.datasets import BuiltinRead, DatasetDetail, DatasetPage, DatasetRead, UploadQuery
from api.services.service import Service
from db.buckets.errors import BucketError
from db.core.ids import new_id
from db.files.dataset_preview import preview
from db.files.datasets import DatasetRepository
from db.files.file_check import check_file
from db.jobs.quotas import QuotaRepository
from db.spec.datasets.builtin import BUILTIN_DATASETS
from db.spec.datasets.files import DataFile
from db.tables.datasets import Dataset

logger = logging.getLogger(__name__)
router = APIRouter(prefix=UPLOAD_PATH, tags=["catalog"], route_class=WritingRoute)

_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {kind: {"schema": {"type": "string", "minLength": 1}} for kind in KINDS},
    }
}
_ALREADY_UPLOADED: dict[int | str, dict[str, Any]] = {
    200: {"model": DatasetRead, "description": "The same bytes were uploaded before."}
}


@router.get("")
def list_datasets(service: ServiceDep) -> DatasetPage:
    """List the built-in datasets, and then the uploaded ones from the newest to the oldest.

    A job can also name a dataset on the hub, or a file in a folder that jobs may read.
    """
    with service.sessions() as session:
        uploaded = DatasetRepository(session).all()
    builtins = [BuiltinRead.of(dataset) for dataset in BUILTIN_DATASETS.values()]
    return DatasetPage(data=[*builtins, *map(DatasetRead.of, uploaded)])


@router.post("", status_code=201, openapi_extra=_BODY, responses=_ALREADY_UPLOADED)
def upload_dataset(
    received: ReceivedDep,
    query: Annotated[UploadQuery, Query()],
    caller: CallerDep,
    service: ServiceDep,
    response: Response,
) -> DatasetRead:
    """Upload UTF-8 text, JSONL or CSV; a job names it by the `dataset` value of the response.

    Rows of JSONL contain a `text`, chat `messages` or `input_ids`; rows of CSV contain a `text`.
    Rows can also contain another field, which a job names as its `text_field`; or a `question`, its
    `choices` and the right `answer`, for a job that names the dataset in its `tasks`. Uploading the
    same bytes with the same media type again returns the same dataset, with the name of the first
    upload.
    """
    check_file(DataFile(received.path, "dataset", query.name or "upload"), "upload")
    dataset, is_new = _store(service, received, query.name, caller.key_id)
    response.status_code = 201 if is_new else 200
    response.headers["location"] = f"{UPLOAD_PATH}/{dataset.id}"
    return DatasetRead.of(dataset)


@router.get("/{dataset_id}")
def get_dataset(dataset_id: DatasetId, service: ServiceDep) -> DatasetDetail:
    """Return one uploaded dataset, its first lines, and the newest jobs that use it."""
    with service.sessions() as session:
        datasets = DatasetRepository(session)
        dataset = datasets.get(dataset_id)
        users = datasets.newest_users(dataset)
    service.uploads.fetch(dataset.id, dataset.media_type, dataset.sha256)
    beginning = preview(service.uploads.path(dataset.id, dataset.media_type))
    return DatasetDetail.with_beginning(dataset, beginning, users)


@router.delete("/{dataset_id}", status_code=204)
def delete_dataset(dataset_id: DatasetId, service: ServiceDep) -> None:
    """Delete an uploaded dataset, unless an unfinished job uses it."""
    with service.sessions.begin() as session:
        DatasetRepository(session).delete(dataset_id)
    _delete_file(service, dataset_id)


def _delete_file(service: Service, dataset_id: str) -> None:
    try:
        service.uploads.delete(dataset_id)
    except BucketError as error:  # control deletes files without a dataset
        logger.warning("the file of dataset %s is left: %s", dataset_id, error)


def _store(
    service: Service, received: Received, name: str | None, key_id: str | None
) -> tuple[Dataset, bool]:
    """Store an upload, unless a dataset has the same bytes and media type.

    Return that dataset or the new one, and whether it is new.
    """
    dataset = Dataset(
        id=new_id("dat"),
        name=name,
        size_bytes=received.size_bytes,
        sha256=received.sha256,
        media_type=received.media_type,
        created_by=key_id,
    )
    stored = None
    # First: a row without its file is useless.
    service.uploads.place(received.path, dataset.id, received.sha256)
    try:
        with service.sessions.begin() as session:
            datasets = DatasetRepository(session)
            if datasets.same(dataset) is None:
                QuotaRepository(session).check_bytes(key_id, received.size_bytes)
            stored = datasets.add(dataset)
    finally:
        if stored is not dataset:
            _delete_file(service, dataset.id)
    return stored, stored is dataset
