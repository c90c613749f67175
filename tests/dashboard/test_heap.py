"""Pages that stay open while events arrive: their memory does not grow."""

import time

import pytest
from playwright.sync_api import Page, expect

from db.core.states import Phase
from db.scheduling.claims import ClaimRepository
from db.scheduling.leases import LeaseRepository
from tests.dashboard.browser import Session
from tests.dashboard.conftest import Api
from tests.factories import make_job

pytestmark = pytest.mark.e2e

BLOCKS = 50
ROUNDS = 3
"""Each reports all blocks twice; an event a second for five minutes, in some seconds."""
GROWTH_BYTES = 1 << 20
TRIES = 3


def heap_bytes(page: Page) -> int:
    """Return the size of what the page's scripts hold after a garbage collection."""
    devtools = page.context.new_cdp_session(page)
    devtools.send("HeapProfiler.collectGarbage")
    return int(devtools.send("Runtime.getHeapUsage")["usedSize"])


def settled_heap_bytes(page: Page) -> int:
    """Return the smallest of a few measurements: a busy machine renders the last events late."""
    measured = []
    for _ in range(TRIES):
        page.wait_for_timeout(1000)
        measured.append(heap_bytes(page))
    return min(measured)


def report(api: Api, job_id: str, count: int) -> None:
    """Report the progress of blocks, as a worker does."""
    for number in range(count):
        with api.sessions.begin() as session:
            leases = LeaseRepository(session)
            index, name = number % BLOCKS, f"model.layers.{number % BLOCKS}"
            leases.report_block(job_id, 1, index, name, {"sparsity": 0.5, "output_error": 0.1})
            leases.report_progress(
                job_id,
                1,
                phase=Phase.pruning,
                fraction=number / count,
                block=(index, BLOCKS, name),
            )
        time.sleep(0.02)


def test_the_heap_is_flat_through_three_hundred_events(api: Api, api_tabs: Session) -> None:
    job = make_job(api.sessions, name="left open")
    with api.sessions.begin() as session:
        ClaimRepository(session).claim(job.id, "gpu@test")
    pages = [api_tabs.open(path) for path in ("/", f"/jobs/{job.id}")]
    for page in pages:
        expect(page.get_by_text("left open").first).to_be_visible()
    sizes = []
    for _ in range(ROUNDS):
        report(api, job.id, 2 * BLOCKS)
        sizes.append([settled_heap_bytes(page) for page in pages])
    growth = [last - first for first, last in zip(sizes[0], sizes[-1], strict=True)]
    assert max(growth) < GROWTH_BYTES, sizes
