"""Pages of the list of jobs, which are read and encoded once for identical requests."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from api.core.current_values import CommitMarks, CurrentValues
from api.schemas.jobs import Facets, JobPage, JobRead
from api.web.cursors import cursor_of, metric_cursor_of, paginate
from api.web.list_queries import JobQuery
from api.web.pagination import next_link
from db.core.session import Sessions
from db.jobs.listing import JobFilter
from db.jobs.repository import JobRepository
from db.tables.jobs import Job

MAX_PAGES = 128
READS_AT_ONCE = 4


@dataclass(frozen=True)
class EncodedPage:
    """A page as JSON, and the value of its ``Link`` header, which is None for the last page."""

    body: bytes
    link: str | None


class JobPages:
    """A process's cache of encoded pages; for use on one event loop."""

    def __init__(self, sessions: Sessions, marks: CommitMarks) -> None:
        self._sessions = sessions
        self._pages = CurrentValues[str, EncodedPage](
            marks, self._read, max_values=MAX_PAGES, reads_at_once=READS_AT_ONCE
        )

    async def get(self, query: JobQuery) -> EncodedPage:
        """Return the page as it is now."""
        return await self._pages.get(query.model_dump_json(exclude_unset=True))

    def _read(
        self, queries: Sequence[str], _known: Mapping[str, EncodedPage]
    ) -> dict[str, EncodedPage | Exception]:
        return {query: self._page(JobQuery.model_validate_json(query)) for query in queries}

    def _page(self, query: JobQuery) -> EncodedPage:
        wanted, facets = query.job_filter(), None
        with self._sessions() as session:
            jobs = JobRepository(session)
            rows = found_jobs(jobs, wanted, query)
            if query.include == "facets":
                facets = Facets.of(jobs.facets(wanted))
        page, next_cursor = paginate(rows, query.limit, cursors_of(query))
        data = [JobRead.of(job) for job in page]
        body = JobPage(data=data, next_cursor=next_cursor, facets=facets).model_dump_json()
        link = None if next_cursor is None else next_link("/v1/jobs", query.link(next_cursor))
        return EncodedPage(body.encode(), link)


def found_jobs(jobs: JobRepository, wanted: JobFilter, query: JobQuery) -> list[Job]:
    """Return the page's jobs and, if more jobs follow, the first of these."""
    limit = query.limit + 1
    if query.metric is None:
        oldest_first = not query.descending
        return jobs.page(wanted, limit=limit, after=query.place(), oldest_first=oldest_first)
    after, descending = query.metric_place(), query.descending
    return jobs.sorted_page(query.metric, wanted, limit=limit, after=after, descending=descending)


def cursors_of(query: JobQuery) -> Callable[[Job], str]:
    metric = query.metric
    return cursor_of if metric is None else lambda job: metric_cursor_of(job, metric)
