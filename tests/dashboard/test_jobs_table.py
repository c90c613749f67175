"""The table of jobs: found, read, sorted, folded and changed in few clicks."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser, Locator, Page, expect
from sqlalchemy import update

from api.app import create_app
from api.core.settings import ApiSettings
from db.core.session import Sessions, open_sessions
from db.core.states import JobState
from db.jobs.repository import JobRepository, NewJob
from db.schema.migration import migrate
from db.spec.quality_gate import Gate, Verdict
from db.tables.jobs import Job
from tests.api.live import serving
from tests.dashboard.browser import overflow, photograph, session, violations
from tests.dashboard.keyboard_task import KeyboardTask
from tests.factories import make_problem, make_spec
from tests.fakes import ListQueue

pytestmark = pytest.mark.e2e

REASON = "uploaded text damaged.txt has changed since it was uploaded"
THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
SIZES = {"390": (390, 844), "1280": (1280, 900), "1920": (1920, 1080)}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a service without a worker, with jobs of every kind."""
    folder = tmp_path_factory.mktemp("d")
    database_url = f"sqlite:///{folder}/jobs.db"
    migrate(database_url)
    sessions = open_sessions(database_url)
    fill(sessions)
    sessions.kw["bind"].dispose()
    fields = {"_env_file": None, "data_dir": folder, "database_url": database_url}
    with serving(create_app(ApiSettings.model_validate(fields), ListQueue())) as address:
        yield address


def fill(sessions: Sessions) -> None:
    noon = datetime.now().astimezone().replace(hour=12, minute=0, second=0)
    yesterday = (noon - timedelta(days=1)).astimezone(UTC)
    before = (noon - timedelta(days=4)).astimezone(UTC)
    for n in range(10):
        add(sessions, f"bulk {n}", created_at=before)
    done: dict[str, Any] = {"status": JobState.succeeded, "created_at": before, "progress": 1.0}
    gate = Gate(max={"perplexity_ratio": 1.1})
    for name, perplexity in (("worst", 30.0), ("best", 10.5), ("middle", 20.0)):
        ratio = perplexity / 10
        verdict = Verdict.passed if ratio <= 1.1 else Verdict.failed
        result = {"pruned_perplexity": perplexity, "perplexity_ratio": ratio}
        measured = {"perplexity": perplexity, "perplexity_ratio": ratio, "result": result}
        times = {"started_at": before, "finished_at": before + timedelta(seconds=perplexity)}
        more: dict[str, Any] = (
            done | measured | times | {"verdict": verdict, "size_bytes": 10**6, "seconds": 1.0}
        )
        add(sessions, name, gate=gate, **more)
    error = make_problem(title="The dataset is damaged", detail=REASON).model_dump(mode="json")
    ended: dict[str, Any] = {"status": JobState.failed, "created_at": before, "started_at": before}
    add(sessions, "broken", error=error, **ended)
    error = make_problem(title="Disk full", detail="no space", retryable=True).model_dump(
        mode="json"
    )
    add(sessions, "unlucky", error=error, **ended)
    add(sessions, "nightly", labels={"team": "nlp"}, created_at=yesterday)
    add(sessions, "older nightly", labels={"team": "nlp"}, created_at=before)
    add(sessions, "other", labels={"team": "vision"}, created_at=yesterday)
    for n in range(3):
        add(sessions, "grid", sweep_id="swp_" + "0" * 32, sweep_point=n, created_at=before)


def add(
    sessions: Sessions,
    name: str,
    labels: dict[str, str] | None = None,
    gate: Gate | None = None,
    **fields: Any,
) -> None:
    with sessions.begin() as session:
        new = NewJob(make_spec(model=f"org/{name}"), name=name, labels=labels or {}, gate=gate)
        job = JobRepository(session).add(new)
        session.execute(update(Job).where(Job.id == job.id).values(**fields))


@pytest.fixture
def page(browser: Browser, url: str) -> Iterator[Page]:
    with session(browser, url) as tabs:
        yield tabs.open("/")


def names(page: Page) -> Locator:
    return page.locator(".job-row .cell-name a")


def test_yesterdays_jobs_of_a_label_take_three_clicks(page: Page) -> None:
    task = KeyboardTask(page)
    task.choose(page.get_by_role("combobox", name="Created"), "Yesterday")
    expect(names(page)).to_have_text(["other", "nightly"])
    task.press(page.get_by_role("button", name="team=nlp"))
    expect(names(page)).to_have_text(["nightly"])
    assert task.clicks <= 3
    expect(page).to_have_url(re.compile(r"\?label=team%3Anlp&time=yesterday$"))
    page.go_back()
    expect(names(page)).to_have_text(["other", "nightly"])
    page.go_back()
    expect(names(page).filter(has_text="broken")).to_be_visible()


def test_the_reason_of_a_failure_takes_one_click_and_the_next_step_follows_it(page: Page) -> None:
    task = KeyboardTask(page)
    row = page.locator(".job-row").filter(has_text="broken")
    expect(row).to_contain_text("The dataset is damaged")
    expect(row.get_by_role("link", name="Rerun… broken with changes")).to_be_visible()
    lucky = page.locator(".job-row").filter(has_text="unlucky")
    expect(lucky.get_by_role("button", name="Retry unlucky")).to_be_visible()
    task.press(row.get_by_role("link", name="broken", exact=True))
    expect(page.get_by_text(REASON).first).to_be_visible()
    assert task.clicks <= 1
    rerun = page.get_by_role("link", name="Rerun with changes")
    expect(rerun).to_have_class(re.compile(r"\bprimary\b"))
    page.goto("/?q=unlucky")
    names(page).first.click()
    expect(page.get_by_role("button", name="Retry")).to_have_class("primary")


def test_a_failed_gate_is_counted_filtered_and_named_in_its_row(page: Page) -> None:
    page.get_by_role("checkbox", name="gate failed 2").check()
    expect(names(page)).to_have_text(["middle", "worst"])
    row = page.locator(".job-row").filter(has_text="worst")
    expect(row.locator(".cell-verdict")).to_have_text("gate failed")
    expect(row).to_contain_text("perplexity ratio is 3.00, wanted at most 1.10")
    expect(page).to_have_url(re.compile(r"\?verdict=fail$"))


def test_a_list_is_sorted_by_a_metric_and_a_view_keeps_it_with_its_columns(page: Page) -> None:
    page.get_by_role("button", name=re.compile("^Perplexity")).click()
    expect(names(page).first).to_have_text("best")
    page.get_by_role("button", name=re.compile("^Perplexity")).click()
    expect(names(page).first).to_have_text("worst")
    expect(page.get_by_role("columnheader", name="Perplexity")).to_have_attribute(
        "aria-sort", "descending"
    )
    page.get_by_text("Columns", exact=True).first.click()
    page.get_by_role("checkbox", name="Size", exact=True).check()
    page.keyboard.press("Escape")
    expect(page.locator(".job-row .cell-size_bytes").first).to_have_text("1.00 MB")
    page.get_by_text("View: not saved").click()
    page.get_by_label("Save filters, order and columns as").fill("worst first")
    page.get_by_role("button", name="Save view").click()

    page.goto("/?q=nothing")
    page.get_by_text("Columns", exact=True).first.click()
    page.get_by_role("button", name="Default columns").click()
    page.get_by_text("View: not saved").click()
    page.get_by_role("button", name="worst first", exact=True).click()
    expect(names(page).first).to_have_text("worst")
    expect(page.locator(".job-row .cell-size_bytes").first).to_be_visible()


def test_a_job_is_found_by_the_end_of_its_id(page: Page) -> None:
    row = page.locator(".job-row").filter(has_text="nightly").first
    short = row.locator(".mono").inner_text()
    page.get_by_role("searchbox").fill(short)
    expect(page.locator(".job-row")).to_have_count(1)
    expect(page.locator(".job-row .mono")).to_have_text(short)


def test_a_sweep_is_one_row_that_unfolds_and_is_selected_as_a_whole(page: Page) -> None:
    row = page.locator(".job-row").filter(has_text="Sweep grid")
    expect(row).to_contain_text("3 jobs")
    expect(names(page).filter(has_text=re.compile("^grid$"))).to_have_count(0)
    row.get_by_role("button", name="Unfold Sweep grid").click()
    expect(names(page).filter(has_text=re.compile("^grid$"))).to_have_count(3)
    row.get_by_label("Select Sweep grid").check()
    expect(page.get_by_text("3 jobs selected")).to_be_visible()


def test_ten_jobs_are_cancelled_in_three_clicks_and_stay_selected_beyond_a_search(
    page: Page,
) -> None:
    page.goto("/?q=bulk")
    task = KeyboardTask(page)
    task.press(page.get_by_label("Select all 10 jobs"))
    task.press(page.get_by_role("button", name="Cancel 10"))
    task.press(page.get_by_role("button", name="Cancel the jobs"))
    expect(page.locator(".job-row .pill.is-cancelled")).to_have_count(10)
    assert task.clicks <= 3
    page.get_by_role("button", name="Label 10").click()
    page.get_by_label("Label", exact=True).last.fill("team")
    page.get_by_label("Value", exact=True).fill("bulk")
    page.get_by_role("button", name="Set the label").click()
    expect(page.get_by_role("button", name="team=bulk")).to_have_count(10)

    page.get_by_role("searchbox").fill("nightly")
    expect(page.locator(".job-row")).to_have_count(2)
    expect(page.get_by_text("10 jobs selected")).to_be_visible()
    page.get_by_role("button", name="Clear selection").click()
    page.get_by_role("searchbox").fill("bulk")
    expect(page.locator(".job-row")).to_have_count(10)
    page.get_by_label("Select bulk 9").check()
    page.get_by_label("Select bulk 7").click(modifiers=["Shift"])
    expect(page.get_by_text("3 jobs selected")).to_be_visible()
    page.get_by_role("button", name="Delete 3").click()
    page.get_by_role("button", name="Delete the jobs").click()
    expect(page.locator(".job-row")).to_have_count(7)
    expect(page.get_by_text("selected")).to_have_count(0)


@pytest.mark.parametrize("size", SIZES)
def test_axe_finds_nothing_in_the_table_at_any_width(browser: Browser, url: str, size: str) -> None:
    with session(browser, url, size=SIZES[size]) as tabs:
        page: Page = tabs.open("/")
        expect(names(page).filter(has_text="broken")).to_be_visible()
        page.get_by_label("Select broken").check()
        found: list[str] = []
        for theme in THEMES:
            page.emulate_media(color_scheme=theme)
            photograph(page, f"jobs-table-{size}-{theme}")
            found += violations(page)
        page.get_by_text("More filters", exact=True).click()
        photograph(page, f"jobs-table-{size}-filters")
        found += violations(page)
        assert found == []
        assert overflow(page) == 0
