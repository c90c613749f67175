"""Keys: made and revoked on the page, and asked for where the service wants one."""

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from db.scheduling.workers import WorkerRepository
from db.tables.access import AccessScope
from tests.api.work import finish_job
from tests.dashboard.browser import Session, photograph, session, violations
from tests.dashboard.conftest import Api, running_api
from tests.e2e.embedded import Service
from tests.factories import make_key, make_worker
from tests.waiting import DEADLINE_S

pytestmark = pytest.mark.e2e


def make(page: Page, name: str) -> str:
    """Make a key on the page and return it."""
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_role("button", name="Create key").click()
    made = page.get_by_role("region", name="new key")
    expect(made).to_be_visible()
    return made.inner_text().strip()


def opens(url: str, key: str) -> int:
    headers = {"authorization": f"Bearer {key}"}
    return httpx.get(f"{url}/v1/me", headers=headers, timeout=DEADLINE_S).status_code


def test_a_key_is_made_shown_once_and_revoked(tabs: Session, service: Service) -> None:
    page = tabs.open("/keys")

    key = make(page, "the browser's")

    assert opens(service.url, key) == 200
    page.reload()
    expect(page.get_by_text("the browser's", exact=True)).to_be_visible()
    expect(page.get_by_text(key)).to_have_count(0)
    page.get_by_role("button", name="Revoke the browser's").click()
    page.get_by_role("button", name="Revoke the key").click()
    expect(page.get_by_text("revoked")).to_be_visible()
    assert opens(service.url, key) == 401


def test_a_key_is_made_with_limits_that_the_list_shows(tabs: Session, service: Service) -> None:
    page = tabs.open("/keys")
    page.get_by_label("Jobs in flight").fill("many")
    page.get_by_label("Last day").fill("2020-01-05")
    page.get_by_label("Name", exact=True).fill("bounded")
    page.get_by_role("button", name="Create key").click()
    jobs, last = page.get_by_label("Jobs in flight"), page.get_by_label("Last day")
    expect(jobs).to_have_accessible_description(re.compile("Use a whole number"))
    expect(last).to_have_accessible_description(re.compile("Use a time in the future"))
    tabs.complaints.clear()  # the browser itself notes every refusal

    jobs.fill("3")
    last.fill("2999-01-05")
    page.get_by_label("GPU hours").fill("2.5")
    page.get_by_label("Files", exact=True).fill("50 GB")
    key = make(page, "bounded")

    row = page.get_by_role("listitem").filter(has_text="bounded")
    expect(row).to_contain_text("3 jobs in flight, 2.50 GPU hours in 30 days, 50.0 GB of files")
    expect(row).to_contain_text("2999")
    me = httpx.get(
        f"{service.url}/v1/me", headers={"authorization": f"Bearer {key}"}, timeout=DEADLINE_S
    ).json()
    limits = {name: share["allowed"] for name, share in me["quotas"].items()}
    named = {"jobs_in_flight": 3, "gpu_hours": 2.5, "artifact_bytes": 50_000_000_000}
    assert limits == named | {"monthly_cost": None}
    assert me["key"]["expires_at"].startswith("2999-01-0")


def test_the_audit_lists_the_requests_of_a_key_page_by_page(
    tabs: Session, service: Service
) -> None:
    page = tabs.open("/keys")
    headers = {"authorization": f"Bearer {make(page, 'busy')}"}
    with httpx.Client(base_url=service.url, headers=headers, timeout=DEADLINE_S) as busy:
        for _ in range(60):
            assert busy.post("/v1/jobs/job_0/cancel").status_code == 404

    page.get_by_role("link", name="Audit log of busy").click()

    expect(page.get_by_role("heading", name="Audit log")).to_be_focused()
    entries = page.get_by_role("list", name="Entries, newest first").get_by_role("listitem")
    expect(entries).to_have_count(50)
    expect(entries.first).to_contain_text("Cancel job")
    expect(entries.first).to_contain_text("refused 404")
    page.get_by_role("button", name="Show older").click()
    expect(entries).to_have_count(60)
    expect(page.get_by_role("button", name="Show older")).to_have_count(0)
    page.get_by_role("combobox", name="Key").select_option("All")
    expect(page).to_have_url(re.compile("/audit$"))
    page.get_by_role("button", name="Show older").click()
    expect(entries.filter(has_text="Create key").first).to_be_visible()


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory, inputs: Path) -> Iterator[Api]:
    """An API that requires a key of every client, with a worker."""
    with running_api(tmp_path_factory.mktemp("locked"), inputs, auth="keys") as api:
        with api.sessions.begin() as session:
            WorkerRepository(session).register(make_worker("gpu@test"))
        yield api


@pytest.fixture(scope="module")
def key(locked: Api) -> str:
    _, key = make_key(locked.sessions, AccessScope.admin, name="root")
    return key


def test_a_service_with_authentication_asks_for_a_key(
    browser: Browser, locked: Api, key: str
) -> None:
    job = finish_job(locked.sessions, locked.store, {"README.md": b"# Tiny"}, name="inside")
    with session(browser, locked.url) as tabs:
        page = tabs.open("/")
        expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
        assert violations(page) == []
        photograph(page, "sign-in")
        page.get_by_label("API key").fill("zpr_wrong")
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_text("The service has refused this key")).to_be_visible()
        tabs.complaints.clear()  # the browser itself notes every 401

        page.get_by_label("API key").fill(key)
        page.get_by_role("button", name="Sign in").click()

        expect(page.get_by_role("link", name="inside")).to_be_visible()
        expect(page.locator(".badge [role=status]")).to_have_text("Live")
        page.goto(f"/jobs/{job.id}")
        with page.expect_download() as waiting:
            page.get_by_role("button", name="Download README.md").click()
        assert waiting.value.path().stat().st_size > 0
        page.goto("/keys")
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
        page.close()  # before what it has asked for without a key is all answered
        tabs.complaints.clear()


def test_controls_follow_the_scopes_of_the_key(browser: Browser, locked: Api, key: str) -> None:
    job = finish_job(locked.sessions, locked.store, name="seen")
    body = {"name": "a reader", "scopes": ["jobs:read"]}
    headers = {"authorization": f"Bearer {key}"}
    reader = httpx.post(
        f"{locked.url}/v1/keys", json=body, headers=headers, timeout=DEADLINE_S
    ).json()["key"]
    with session(browser, locked.url) as tabs:
        store = f"localStorage.setItem('zpruner.key', '{reader}')"
        tabs.context.add_init_script(f"if (location.host) {store}")  # not in a new, empty tab
        page = tabs.open(f"/jobs/{job.id}")
        expect(page.get_by_text("lacks the scope jobs:write")).to_be_visible()
        expect(page.get_by_text("lacks the scope artifacts:read")).to_be_visible()
        for name in ("Edit", "Delete", "Download"):
            expect(page.get_by_role("button", name=name)).to_have_count(0)
        for name in ("New job", "Rerun with changes"):
            expect(page.get_by_role("link", name=name)).to_have_count(0)
        photograph(page, "job-of-a-reader")
        page.goto("/workers")
        expect(page.get_by_text("gpu@")).to_be_visible()
        expect(page.get_by_role("button", name="Drain")).to_have_count(0)
        for path in ("/new", f"/jobs/{job.id}/rerun"):
            page.goto(path)
            expect(page.get_by_text("lacks the scope jobs:write")).to_be_visible()
    audit = httpx.get(f"{locked.url}/v1/audit", headers=headers, timeout=DEADLINE_S).json()["data"]
    assert [one["who"] for one in audit if one["who"] == "a reader"] == []


def test_a_secret_is_stored_suggested_to_the_form_and_deleted(tabs: Session) -> None:
    page = tabs.open("/secrets")
    page.get_by_label("Name", exact=True).fill("hf-browser")
    page.get_by_label("Value", exact=True).fill("hf_typed-in-the-browser")
    page.get_by_role("button", name="Store secret").click()
    expect(page.get_by_role("listitem").filter(has_text="hf-browser")).to_be_visible()
    expect(page.get_by_label("Value", exact=True)).to_have_value("")
    assert "hf_typed-in-the-browser" not in page.content()

    form = tabs.open("/new")
    known = form.locator("datalist option[value=hf-browser]")
    expect(known).to_have_text("stored secret")
    assert "hf_typed-in-the-browser" not in form.content()

    page.reload()
    page.get_by_role("button", name="Delete hf-browser").click()
    page.get_by_role("button", name="Delete the secret").click()
    expect(page.get_by_text("hf-browser", exact=True)).to_have_count(0)
