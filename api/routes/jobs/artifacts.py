"""Routes of a job's finished files."""

from datetime import timedelta
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal
from urllib.parse import quote

from fastapi import APIRouter, Body, Depends, Query, Request, Response
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from api.core.caller import Caller, CallerDep
from api.core.content_coding import refuses_identity, wants_zstd
from api.middleware.writers import WritingRoute
from api.routes.dependencies import IF_MATCH, IF_NONE_MATCH, ArtifactId, JobId, ServiceDep
from api.routes.own_trials import OWN_TRIAL
from api.schemas.artifacts import ArtifactRead, LinkRead, LinkRequest
from api.schemas.pages import Page
from api.services.service import Service
from api.web.archive import Archive
from api.web.conditional import is_not_modified, require_match
from api.web.ranges import requested_range
from api.web.redirects import SENT_BY_API_BYTES, URL_LIFETIME, may_redirect
from db.core.errors import NoArtifactsError
from db.files.artifacts import ArtifactRepository
from db.files.integrity import require_undamaged
from db.files.stored_file import StoredFile
from db.jobs.download_links import LinkRepository
from db.jobs.repository import JobRepository
from db.tables.artifacts import Artifact
from zpruner.files.zstd import compressed

router = APIRouter(prefix="/v1", tags=["artifacts"], route_class=WritingRoute)

_BYTES: dict[str, Any] = {"schema": {"type": "string", "format": "binary"}}
_FILE_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"description": "The file's bytes.", "content": {"*/*": _BYTES}},
    206: {"description": "The requested range.", "content": {"*/*": _BYTES}},
    304: {"description": "The client already has this file."},
    307: {"description": "The file is in a bucket; `Location` is its URL for some minutes."},
}
_ARCHIVE_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The files as a tar archive.",
        "content": {"application/x-tar": _BYTES, "application/zstd": _BYTES},
    },
    304: {"description": "The client already has this archive."},
}
Format = Annotated[
    Literal["plain", "zstd"],
    Query(description="Whether the archive is compressed by zstd (.tar.zst)."),
]


@router.get("/jobs/{job_id}/artifacts", dependencies=[OWN_TRIAL])
def list_artifacts(job_id: JobId, service: ServiceDep) -> Page[ArtifactRead]:
    """List a job's files, by name."""
    with service.sessions() as session:
        JobRepository(session).get(job_id)
        artifacts = ArtifactRepository(session).of_job(job_id)
    return Page(data=[ArtifactRead.of(artifact) for artifact in artifacts])


def _document_link_query(
    expires: int | None = None, key: str | None = None, sig: str | None = None
) -> None:
    """Document a download link's query parameters; the authentication middleware checks them."""


_LINK_AND_CONDITIONAL = [Depends(_document_link_query), IF_MATCH, IF_NONE_MATCH]


def _downloaded_artifact(artifact_id: ArtifactId, service: ServiceDep) -> Artifact:
    with service.sessions() as session:
        job_id = ArtifactRepository(session).get(artifact_id).job_id
    service.downloads.record(job_id)
    with service.sessions() as session:
        return ArtifactRepository(session).get(artifact_id)


@router.head(
    "/artifacts/{artifact_id}/content",
    operation_id="head_artifact",
    responses=_FILE_RESPONSES,
    dependencies=_LINK_AND_CONDITIONAL,
)
@router.get(
    "/artifacts/{artifact_id}/content",
    responses=_FILE_RESPONSES,
    dependencies=_LINK_AND_CONDITIONAL,
)
async def get_artifact(
    artifact: Annotated[Artifact, Depends(_downloaded_artifact)],
    service: ServiceDep,
    request: Request,
) -> Response:
    """Return a file's bytes, or one range of them.

    With the query of a link from `create_link`, no key is needed. The file is checked first, unless
    it has not changed since its last check. If it is damaged, or a retention rule deleted it, the
    status is 410. With `Accept-Encoding: zstd` and no other coding, a whole file is compressed, and
    its length is not known. If the service stores its files in a bucket, the response to a GET
    request for a large file is a redirect to it (307), except with `identity;q=0`.
    """
    file = await _file(artifact, service, request)
    etag, size = f'"{artifact.sha256}"', artifact.size_bytes
    require_match(request, etag)
    if is_not_modified(request, etag):
        return Response(status_code=304, headers={"etag": etag})
    is_large = size > SENT_BY_API_BYTES and not refuses_identity(request)
    if file is not None and is_large and may_redirect(request):
        url = await run_in_threadpool(file.url, URL_LIFETIME)
        if url is not None:
            return Response(status_code=307, headers={"location": url, "cache-control": "no-store"})
    requested = requested_range(request, size, etag)
    body = range(size) if requested is None else requested
    chunks = iter(()) if file is None else file.chunks(body)
    headers = _headers(etag, PurePosixPath(artifact.name).name)
    headers |= {"accept-ranges": "bytes", "vary": "accept-encoding"}
    if requested is None and wants_zstd(request):
        # Another release of zstd may make other bytes of the same content.
        headers |= {"etag": f"W/{etag}", "content-encoding": "zstd"}
        chunks = compressed(chunks)
    else:
        headers["content-length"] = str(len(body))
    if requested is not None:
        headers["content-range"] = f"bytes {requested.start}-{requested.stop - 1}/{size}"
    return _stream(
        request,
        service.downloads.recorded(artifact.job_id, chunks),
        headers,
        artifact.media_type,
        status=200 if requested is None else 206,
    )


async def _file(artifact: Artifact, service: Service, request: Request) -> StoredFile | None:
    """Return a checked file; None for a HEAD request if the file is elsewhere.

    The response to such a request has only what the row says.
    """
    if request.method == "HEAD" and service.store.is_remote:
        require_undamaged(artifact)
        return None
    return await service.checks.require(artifact)


@router.post("/artifacts/{artifact_id}/links", status_code=201)
def create_link(
    artifact_id: ArtifactId,
    caller: CallerDep,
    service: ServiceDep,
    response: Response,
    body: Annotated[LinkRequest | None, Body()] = None,
) -> LinkRead:
    """Create a link with which a file can be downloaded without a key.

    The link expires after `expires_in` seconds, or when the caller's key expires or is revoked.
    """
    with service.sessions() as session:
        artifact = ArtifactRepository(session).get(artifact_id)
    service.checks.require_in_thread(artifact)
    return _link(artifact_id, body, caller, service, response)


def _finished_artifacts(job_id: str, service: ServiceDep) -> list[Artifact]:
    with service.sessions() as session:
        job = JobRepository(session).get(job_id)
        artifacts = ArtifactRepository(session).of_job(job_id)
    if not artifacts:
        raise NoArtifactsError(job_id, job.status)
    return artifacts


def _downloaded_artifacts(job_id: JobId, service: ServiceDep) -> list[Artifact]:
    service.downloads.record(job_id)
    return _finished_artifacts(job_id, service)


@router.head(
    "/jobs/{job_id}/archive",
    operation_id="head_archive",
    responses=_ARCHIVE_RESPONSES,
    dependencies=[OWN_TRIAL, *_LINK_AND_CONDITIONAL],
)
@router.get(
    "/jobs/{job_id}/archive",
    responses=_ARCHIVE_RESPONSES,
    dependencies=[OWN_TRIAL, *_LINK_AND_CONDITIONAL],
)
async def get_archive(
    job_id: JobId,
    artifacts: Annotated[list[Artifact], Depends(_downloaded_artifacts)],
    service: ServiceDep,
    request: Request,
    format: Format = "plain",
) -> Response:
    """Return all of a job's files as one tar archive, or as one that is compressed by zstd.

    The length of a compressed archive is not known. The status is 410 if a file is damaged, or was
    deleted by a retention rule. With the query of a link from `create_archive_link`, to which
    `&format=zstd` may be added, no key is needed.
    """
    archive = Archive({artifact: await service.checks.require(artifact) for artifact in artifacts})
    require_match(request, archive.etag)
    if is_not_modified(request, archive.etag):
        return Response(status_code=304, headers={"etag": archive.etag})
    if format == "zstd":
        headers = _headers(f"W/{archive.etag}", f"{job_id}.tar.zst")
        body = service.downloads.recorded(job_id, compressed(archive))
        return _stream(request, body, headers, "application/zstd")
    headers = _headers(archive.etag, f"{job_id}.tar")
    headers["content-length"] = str(archive.size_bytes)
    body = service.downloads.recorded(job_id, archive)
    return _stream(request, body, headers, "application/x-tar")


@router.post("/jobs/{job_id}/archive/links", status_code=201, dependencies=[OWN_TRIAL])
def create_archive_link(
    job_id: JobId,
    artifacts: Annotated[list[Artifact], Depends(_finished_artifacts)],
    caller: CallerDep,
    service: ServiceDep,
    response: Response,
    body: Annotated[LinkRequest | None, Body()] = None,
) -> LinkRead:
    """Create a link with which a job's archive can be downloaded without a key.

    The link expires after `expires_in` seconds, or when the caller's key expires or is revoked.
    """
    for artifact in artifacts:
        service.checks.require_in_thread(artifact)
    return _link(job_id, body, caller, service, response)


def _link(
    target: str, body: LinkRequest | None, caller: Caller, service: Service, response: Response
) -> LinkRead:
    lifetime = timedelta(seconds=(body or LinkRequest()).expires_in)
    with service.sessions() as session:
        link = LinkRepository(session).create(target, lifetime, caller.key_id)
    response.headers["cache-control"] = "no-store"
    return LinkRead.of(link)


def _headers(etag: str, filename: str) -> dict[str, str]:
    return {
        "etag": etag,
        "content-disposition": f"attachment; filename*=utf-8''{quote(filename, safe='')}",
    }


def _stream(
    request: Request, body: Any, headers: dict[str, str], media_type: str, status: int = 200
) -> Response:
    # A plain Response would state a length of 0 if the length is not known.
    content = () if request.method == "HEAD" else body
    return StreamingResponse(content, status, headers, media_type)
