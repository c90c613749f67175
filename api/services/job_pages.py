"""Pages of the list of jobs, which are read and encoded once for identical requests."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from api.schemas.jobs import Facets, JobPage, JobRead
from api.services.current_values import CommitMarks, CurrentValues
from api.web.cursors import cursor_of, paginate
from api.web.list_queries import JobQuery
from api.web.pagination import next_link
from db.core.session import Sessions
from db.jobs.repository import JobRepository

MAX_PAGES = 128
READS_AT_ONCE = 4


@dataclass(frozen=True)
class EncodedPage:
    """A page, and the value of its ``Link`` header."""

    body: bytes
    link: str | None


class JobPages:
    """The latest pages of one process; for use on one event loop."""

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
            found = jobs.page(
                wanted,
                limit=query.limit + 1,
                after=query.place(),
                oldest_first=query.sort == "created",
            )
            if query.include == "facets":
                facets = Facets.of(jobs.facets(wanted))
        page, next_cursor = paginate(found, query.limit, cursor_of)
        data = [JobRead.of(job) for job in page]
        body = JobPage(data=data, next_cursor=next_cursor, facets=facets).model_dump_json()
        link = None if next_cursor is None else next_link("/v1/jobs", query.link(next_cursor))
        return EncodedPage(body.encode(), link)
