"""The badge shows the state of the connection, and all tabs share one stream."""

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psutil
import pytest
from playwright.sync_api import Locator, Page, expect

from tests.dashboard.browser import Session, wait_until_shown, watch
from tests.e2e.embedded import Service, is_in_the_middle, submit, until
from tests.processes import suspend
from tests.waiting import DEADLINE_S, eventually
from zpruner import Client

pytestmark = pytest.mark.e2e

STREAM = "/v1/events"
STATUS = ".badge [role=status]"
TABS = 7
"""One more than the connections that a browser opens to a host at once."""


def badge(page: Page, word: str) -> None:
    expect(page.locator(STATUS)).to_have_text(word)


def api_process(service: Service) -> psutil.Process:
    """Return the process that answers HTTP."""
    return service.processes("api.program")[0]


@contextmanager
def frozen(service: Service) -> Iterator[None]:
    """Keep the API from answering anything, without closing a connection."""
    api = api_process(service)
    suspend([api], service.data_dir)
    try:
        yield
    finally:
        with suppress(psutil.NoSuchProcess):
            api.resume()


def test_a_service_that_does_not_respond_is_offline_and_no_event_is_lost(
    tabs: Session, service: Service, client: Client
) -> None:
    job = submit(client, "slow", samples=32)
    until(client, job.id, is_in_the_middle)
    page = tabs.open(f"/jobs/{job.id}")
    badge(page, "Live")
    expect(page.get_by_role("slider", name="Blocks")).to_be_visible()
    page.set_viewport_size({"width": 1280, "height": 500})
    page.evaluate("scrollTo(0, 200)")
    assert page.evaluate("scrollY") > 0

    with frozen(service):
        badge(page, "Offline")
        expect(page.locator(".banner")).to_contain_text("The service has not been reachable")
        expect(page.get_by_role("slider", name="Blocks")).to_be_attached()

    badge(page, "Live")
    expect(page.get_by_text("The service has not been reachable")).to_have_count(0)
    assert client.jobs.wait(job.id, timeout_s=DEADLINE_S).status == "succeeded"
    events = list(client.jobs.events(job.id))
    expect(page.locator(".events li")).to_have_count(len(events))
    expect(page.get_by_role("heading", level=1).locator(".pill")).to_have_text("succeeded")
    assert page.evaluate("scrollY") > 0  # the page is where it was, not at its top


def test_a_killed_service_is_offline_and_later_online_again(
    tabs: Session, service: Service, client: Client
) -> None:
    page = tabs.open("/")
    badge(page, "Live")

    watch(page.locator(STATUS))  # it may be online again before a test could look

    api_process(service).kill()

    wait_until_shown(page, lambda status: status != "Live")
    badge(page, "Live")
    job = submit(client, "tiny", samples=4, name="after the fall")
    expect(page.get_by_role("link", name="after the fall")).to_be_visible()
    client.jobs.wait(job.id, timeout_s=DEADLINE_S)
    expect(row(page, "after the fall").locator(".pill")).to_have_text("succeeded")
    refused = re.compile("net::ERR_|502|503")
    tabs.complaints[:] = [one for one in tabs.complaints if not refused.search(one)]


def row(page: Page, name: str) -> Locator:
    return page.locator(".job-row").filter(has_text=name)


def test_every_tab_of_a_browser_is_live_on_one_stream(tabs: Session, client: Client) -> None:
    pages = [tabs.open("/") for _ in range(TABS)]
    for page in pages:
        badge(page, "Live")
    name = "seen by all"

    job = submit(client, "tiny", samples=4, name=name)

    for page in pages:
        expect(page.get_by_role("link", name=name)).to_be_visible()
    client.jobs.wait(job.id, timeout_s=DEADLINE_S)
    for page in pages:
        expect(row(page, name).locator(".pill")).to_have_text("succeeded")
        badge(page, "Live")
    # A stream whose service answers late is opened again.
    eventually(lambda: pages[0].title() != "" and tabs.open_count(STREAM) == 1)


def test_another_tab_opens_the_stream_when_the_tab_that_had_it_is_closed(
    tabs: Session, client: Client
) -> None:
    first, second = tabs.open("/"), tabs.open("/")
    badge(first, "Live")
    badge(second, "Live")
    streams = tabs.count(STREAM)

    first.close()

    badge(second, "Live")
    job = submit(client, "tiny", samples=4, name="after the leader")
    expect(second.get_by_role("link", name="after the leader")).to_be_visible()
    client.jobs.wait(job.id, timeout_s=DEADLINE_S)
    expect(row(second, "after the leader").locator(".pill")).to_have_text("succeeded")
    assert tabs.count(STREAM) > streams


def test_a_hidden_tab_closes_the_stream_and_is_up_to_date_when_it_is_shown_again(
    tabs: Session, client: Client
) -> None:
    page = tabs.open("/")
    badge(page, "Live")
    see(page, is_hidden=True)
    badge(page, "Paused")
    job = submit(client, "tiny", samples=4, name="while hidden")
    client.jobs.wait(job.id, timeout_s=DEADLINE_S)

    see(page, is_hidden=False)

    badge(page, "Live")
    expect(row(page, "while hidden").locator(".pill")).to_have_text("succeeded")


def see(page: Page, *, is_hidden: bool) -> None:
    """Send the page the event that a browser sends when another tab covers it."""
    page.evaluate(
        """(isHidden) => {
            Object.defineProperty(document, "hidden", { value: isHidden, configurable: true });
            document.dispatchEvent(new Event("visibilitychange"));
        }""",
        is_hidden,
    )
