"""A file to download, and the ranges that were requested of it."""

from tests.zpruner.service import Answer, Service, artifact, job, page, problem

CONTENT = bytes(range(256)) * 400


JOB = "/v1/jobs/job_1"


LIST = f"{JOB}/artifacts"


FILE = "/v1/artifacts/art_1/content"


REFUSED = Answer(403, problem("forbidden", 403))
"""After this response, a download does not go on by itself."""


def prepare(service: Service, *answers: Answer, content: bytes = CONTENT) -> None:
    """Prepare one job with one file, served with these responses."""
    service.prepare(JOB, Answer(200, job("succeeded")))
    service.prepare(LIST, page(artifact(content)))
    service.prepare(FILE, *answers)


def requested_ranges(service: Service) -> list[tuple[int, int]]:
    """Return the requested ranges."""
    found = []
    for _, path, wanted in service.seen:
        if path == FILE:
            start, _, last = (wanted or "bytes=0-").removeprefix("bytes=").partition("-")
            found.append((int(start), int(last) + 1 if last else len(CONTENT)))
    return found
