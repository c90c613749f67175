"""Many jobs, and jobs of many blocks."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import insert

from db.core.ids import new_id
from db.core.session import Sessions
from db.core.states import JobState
from db.jobs.search import search_columns
from db.tables.jobs import BlockReport, Job
from tests.dashboard.browser import Session, photograph, session, wait_until
from tests.dashboard.conftest import running_api
from tests.factories import make_spec

pytestmark = pytest.mark.e2e

JOBS, BLOCKS, FEW_BLOCKS = 10_000, 200, 5
LOADING_S, STEP_S, BLOCKS_S = 1, 0.25, 0.5
"""CPU time of scripts: several times what the slowest known machine needs."""
NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)
LAYERS = [
    {"name": f"mlp.{n}", "zeros": 5, "weights": 10, "fallback": None, "expert": None, "part": None}
    for n in range(7)
]


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a service with ten thousand jobs; the newest has many blocks, the next few."""
    folder = tmp_path_factory.mktemp("d")
    with running_api(folder, folder) as api:
        fill(api.sessions)
        yield api.url


def fill(sessions: Sessions) -> None:
    with sessions.begin() as session:
        session.execute(insert(Job), [row(index) for index in range(JOBS)])
        newest = session.query(Job).order_by(Job.created_at.desc()).limit(2).all()
        for job, count in zip(newest, (BLOCKS, FEW_BLOCKS), strict=True):
            session.execute(insert(BlockReport), [report(job.id, n) for n in range(count)])


def row(index: int) -> dict[str, Any]:
    spec, name = make_spec(model=f"org/model-{index % 7}"), f"number {index}"
    moment = NEW_YEAR + timedelta(seconds=index)
    return {
        "id": new_id("job"),
        "spec": spec,
        "name": name,
        "status": JobState.succeeded,
        "progress": 1.0,
        "attempt": 1,
        "created_at": moment,
        "started_at": moment,
        "finished_at": moment + timedelta(seconds=60),
        **search_columns(spec, name),
    }


def report(job_id: str, index: int) -> dict[str, Any]:
    figures = {"sparsity": 0.5, "output_error": 0.01 + index / 500, "prune_seconds": 1 + index % 5}
    data = figures | {"coverage": 0.99, "layers": LAYERS, "untouched": {}}
    return {
        "job_id": job_id,
        "attempt": 1,
        "index": index,
        "name": f"model.layers.{index}",
        "data": data,
    }


def opened(tabs: Session) -> tuple[Page, Callable[[], float]]:
    """Open the table, and return how to read for how long the page has run scripts so far.

    It is CPU time, as the page may have to wait for a busy machine. Each session of the debugger
    counts from its own start.
    """
    page = tabs.context.new_page()
    devtools = page.context.new_cdp_session(page)
    devtools.send("Performance.enable", {"timeDomain": "threadTicks"})
    page.goto("/")

    def scripting_s() -> float:
        metrics = devtools.send("Performance.getMetrics")["metrics"]
        return float(next(one["value"] for one in metrics if one["name"] == "ScriptDuration"))

    return page, scripting_s


def test_ten_thousand_jobs_with_every_column_are_scrolled_without_blanks(
    browser: Browser, crowded: str
) -> None:
    with session(browser, crowded) as tabs:
        page, scripting_s = opened(tabs)
        expect(page.get_by_role("link", name=f"number {JOBS - 1}", exact=True)).to_be_visible()
        assert scripting_s() < LOADING_S
        page.get_by_text("Columns", exact=True).first.click()
        for column in page.locator(".column-choice input").all():
            column.check()
        page.keyboard.press("Escape")
        seen = 0
        for _ in range(40):
            at_end = f"{TABLE}.scrollTo(0, {TABLE}.scrollHeight)"
            wait_until(page, f"({at_end}, {TABLE}.scrollHeight > {seen})")
            seen = page.evaluate(f"{TABLE}.scrollHeight")
            assert page.locator(".job-row").count() < 60
        pages = [url for url in tabs.requests if "cursor=" in url]
        assert len(pages) >= 35  # of a hundred jobs each, the first without a cursor
        # If the stream had to be opened anew, events may have been missed: all is read again.
        assert len(pages) <= len(set(pages)) * tabs.count("/v1/events")

        before = scripting_s()
        for step in range(50):
            page.evaluate(f"{TABLE}.scrollTo(0, {seen - 900 * step})")
            page.evaluate("new Promise(requestAnimationFrame)")
            assert is_filled_soon(page)
        spent = scripting_s() - before
    assert spent / 50 < STEP_S


TABLE = "document.querySelector('.table-box')"
FRAMES = 60
"""A second, on a machine that draws without pauses."""
ROWS_IN_VIEW = """(() => {
    const whole = (box) => box.top >= 0 && box.bottom <= innerHeight;
    const rows = [...document.querySelectorAll('.job-row')];
    return rows.filter((row) => whole(row.getBoundingClientRect())).length;
})()"""
IS_FILLED = """(() => {
    const box = document.querySelector('.table-box').getBoundingClientRect();
    const middle = (box.left + box.right) / 2;
    const bottom = Math.min(box.bottom, innerHeight);
    const heights = [box.top + 50, (box.top + bottom) / 2, bottom - 30];
    return heights.every((y) => document.elementFromPoint(middle, y)?.closest('.job-row'));
})()"""


def is_filled_soon(page: Page) -> bool:
    """Whether there is a row at every height within a number of frames."""
    for _ in range(FRAMES):
        if page.evaluate(IS_FILLED):
            return True
        page.evaluate("new Promise(requestAnimationFrame)")
    return False


def test_two_hundred_blocks_are_drawn_in_half_a_second_and_a_wide_screen_is_filled(
    browser: Browser, crowded: str
) -> None:
    with session(browser, crowded) as tabs:
        page, scripting_s = opened(tabs)
        link = page.get_by_role("link", name=f"number {JOBS - 1}", exact=True)
        expect(link).to_be_visible()
        before = scripting_s()

        link.click()

        expect(page.get_by_text(f"{BLOCKS} of {BLOCKS}", exact=True)).to_be_visible()
        spent = scripting_s() - before
        expect(page.locator(".heat-cells rect")).to_have_count(3 * BLOCKS + 1)
    assert spent < BLOCKS_S
    with session(browser, crowded, size=(1920, 1080)) as tabs:
        page = tabs.open("/")
        link = page.get_by_role("link", name=f"number {JOBS - 2}", exact=True)
        expect(link).to_be_visible()
        assert page.evaluate(ROWS_IN_VIEW) > 20
        link.click()
        cells = page.locator(".heat-cells rect")
        expect(cells).to_have_count(3 * FEW_BLOCKS + 1)
        boxes = [cell.bounding_box() for cell in cells.all()[:FEW_BLOCKS]]
        photograph(page, "job-five-blocks")
    lefts = [box["x"] for box in boxes if box is not None]
    assert lefts == sorted(set(lefts))
    assert len(lefts) == FEW_BLOCKS
