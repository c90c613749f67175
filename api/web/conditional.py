"""Conditional requests: entity tags, ``If-Match`` and ``If-None-Match``."""

import hashlib
import re

from fastapi import Request, Response

from api.core.problem_response import ProblemError
from db.problems.requests import PRECONDITION_FAILED
from db.tables.jobs import Job

_TAG = re.compile(r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"')


def etag_of(job: Job, position: int | None = None) -> str:
    """Return a job's strong entity tag, which changes with every visible change of the job.

    The tag contains the job's version and, if ``position`` is given, the queue position, which can
    change while the version does not.
    """
    return (
        f'"{job.id}-{job.version}"' if position is None else f'"{job.id}-{job.version}q{position}"'
    )


def is_not_modified(request: Request, etag: str) -> bool:
    """Whether ``If-None-Match`` contains this entity tag, or is ``*``."""
    header = request.headers.get("if-none-match")
    return header is not None and names_version(header, etag)


def names_version(if_none_match: str, etag: str) -> bool:
    """Whether the value of an ``If-None-Match`` header contains this entity tag, or is ``*``."""
    if if_none_match == etag:
        return True
    tags = _TAG.findall(if_none_match)
    return if_none_match.strip() == "*" or etag in {tag.removeprefix("W/") for tag in tags}


def revalidated(
    request: Request, body: bytes, media_type: str, headers: dict[str, str] | None = None
) -> Response:
    """Return a body with its ETag, or 304 if the client already has this version."""
    tag = f'"{hashlib.sha256(body).hexdigest()}"'
    headers = {"etag": tag} | (headers or {})
    if is_not_modified(request, tag):
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type=media_type)


def require_match(request: Request, etag: str) -> None:
    """Check that ``If-Match``, if it was sent, contains this entity tag or is ``*``.

    Raises:
        ProblemError: the header contains only other entity tags.
    """
    header = request.headers.get("if-match")
    if header is None or header.strip() == "*" or etag in _TAG.findall(header):
        return
    detail = f"If-Match is {ascii(header)[:200]}, the present ETag is {etag}."
    raise ProblemError(PRECONDITION_FAILED.problem(detail))


def wanted_version(request: Request, job_id: str) -> int | None:
    """Return the version of a job that ``If-Match`` requires; None for any version.

    If the header names several versions, return the newest: only that can be the current one.

    Raises:
        ProblemError: the header names no version of this job.
    """
    header = request.headers.get("if-match", "*").strip()
    if header == "*":
        return None
    strong = "".join(tag for tag in _TAG.findall(header) if not tag.startswith("W/"))
    if versions := _versions(strong, job_id):
        return max(versions)
    detail = f"If-Match is {ascii(header)[:200]}, which is no ETag of {job_id}."
    raise ProblemError(PRECONDITION_FAILED.problem(detail))


def _versions(tags: str, job_id: str) -> list[int]:
    """Return the job's versions in entity tags; a tag may contain a queue position as well."""
    versions = re.findall(rf'"{job_id}-([0-9]{{1,9}})(?:q[0-9]{{1,4}})?"', tags)
    return [int(version) for version in versions]
