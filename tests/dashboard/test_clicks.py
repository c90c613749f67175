"""What people often want to know takes few clicks, by keyboard alone."""

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from db.core.clock import now
from db.core.states import JobState
from db.tables.jobs import JobEvent
from tests.api.work import FILES, finish
from tests.dashboard.browser import Session, session
from tests.dashboard.conftest import Api, running_api
from tests.dashboard.keyboard_task import KeyboardTask
from tests.dashboard.measured import add_job
from tests.factories import make_job, make_spec

pytestmark = pytest.mark.e2e

GATE = {"max": {"perplexity_ratio": 1.2}}
TEXT = "Once upon a time, in a village"


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """An API with finished jobs, one that no worker can take, and this week's events."""
    folder = tmp_path_factory.mktemp("clicks")
    with running_api(folder, folder) as api:
        for name, sparsity, perplexity in (
            ("a little", 0.3, 20.5),
            ("the best", 0.6, 23.0),
            ("too much", 0.7, 90.0),
        ):
            add_job(api.sessions, name, perplexity, spec={"sparsity": sparsity}, gate=GATE)
        for name in ("reads one", "reads two", "reads three"):
            read_job(api, name)
        make_job(api.sessions, name="stuck", queue="big")
        yield api


def read_job(api: Api, name: str) -> None:
    """Finish a job with files and with a text that its model wrote."""
    spec = make_spec(generate=True, prompts=[TEXT])
    job = make_job(api.sessions, spec, name, labels={"team": "nlp"})
    said = {"greedy": f"{name} says so", "sampled": "or so"}
    texts = [{"prompt": TEXT, "dense": said, "pruned": said}]
    files = FILES | {
        "report.json": json.dumps({"blocks": [], "generation": texts}).encode(),
        "README.md": b"# tiny, pruned to 50.0 % zeros\n\nPruned `without` retraining.\n",
    }
    finish(api.sessions, api.store, job.id, files, {"sparsity": 0.5, "pruned_perplexity": 21.0})
    event: dict[str, Any] = {"kind": "status", "attempt": 1, "data": {}, "job_id": job.id}
    with api.sessions.begin() as session:
        moments = ((90, JobState.running), (0, JobState.succeeded))
        for seq, (minutes, status) in enumerate(moments, start=100):
            at = now(-timedelta(minutes=minutes))
            session.add(JobEvent(seq=seq, at=at, status=status, **event))


@pytest.fixture
def page(browser: Browser, filled: Api) -> Iterator[Page]:
    with session(browser, filled.url) as tabs:
        yield opened(tabs)


def opened(tabs: Session) -> Page:
    page = tabs.open("/")
    expect(page.get_by_role("link", name="the best")).to_be_visible()
    return page


def test_the_best_job_under_a_gate_takes_four_clicks(page: Page) -> None:
    task = KeyboardTask(page)
    task.press(page.get_by_role("checkbox", name=re.compile("^gate passed")))
    task.choose(page.get_by_role("combobox", name="Order"), "Highest reduction")
    expect(page).to_have_url(re.compile("verdict=pass.*sort=-reduction"))
    first = page.locator(".job-row").first.get_by_role("link").first
    expect(first).to_have_text("the best")
    task.press(first)
    expect(page.get_by_role("heading", level=1)).to_contain_text("the best")
    assert task.clicks <= 4


def test_a_download_takes_two_clicks_and_shows_the_model_card_on_the_way(page: Page) -> None:
    task = KeyboardTask(page)
    task.press(page.get_by_role("link", name="reads one"))
    button = page.get_by_role("button", name="Download", exact=True)
    expect(button).to_be_visible()
    with page.expect_download() as waiting:
        task.press(button)
    assert waiting.value.suggested_filename.endswith(".tar")
    assert task.clicks <= 2

    page.get_by_text("What was done to the model, in words").click()
    card = page.locator("#model-card")
    expect(card.get_by_role("heading", name="tiny, pruned to 50.0 % zeros")).to_be_visible()
    expect(card.locator("code")).to_have_text("without")


def test_sharing_takes_two_clicks(page: Page) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    task = KeyboardTask(page)
    task.press(page.get_by_role("link", name="reads one"))
    header = page.locator(".job-header")
    task.press(header.get_by_role("button", name="Share all files"))
    expect(page.get_by_text("The link is copied.").first).to_be_visible()
    assert task.clicks <= 2


def test_the_texts_of_three_models_side_by_side_take_six_clicks(page: Page) -> None:
    task = KeyboardTask(page)
    names = ("reads one", "reads two", "reads three")
    for name in names:
        task.press(page.get_by_label(f"Select {name}"))
    task.press(page.get_by_role("link", name="Compare", exact=True).and_(page.locator(".button")))
    texts = page.get_by_role("region", name="Texts of the jobs")
    for name in names:
        expect(texts.get_by_role("cell", name=f"{name} says so")).to_be_visible()
    assert task.clicks <= 6


def test_the_cause_of_a_waiting_job_takes_no_click(page: Page) -> None:
    row = page.locator(".job-row").filter(has_text="stuck")
    expect(row).to_contain_text("no worker serves the queue big")


def test_the_hours_of_a_label_this_week_take_three_clicks(page: Page) -> None:
    task = KeyboardTask(page)
    task.press(page.get_by_role("link", name="Week", exact=True))
    labels = page.get_by_role("region", name="By label")
    row = labels.get_by_role("row", name=re.compile("^team=nlp"))
    expect(row).to_contain_text(re.compile(r"\d (h|min|s).*3"))
    with page.expect_download() as waiting:
        task.press(page.get_by_role("button", name="CSV"))
    assert waiting.value.suggested_filename == "use.csv"
    assert task.clicks <= 3
