"""What the page says of a service that is slow, a worker that is silent, messages that fail."""

import re
import socket
from collections.abc import Iterator
from contextlib import suppress
from typing import Literal

import httpx
import psutil
import pytest
from playwright.sync_api import Browser, expect

from tests.dashboard.browser import (
    LONG,
    Session,
    overflow,
    photograph,
    resize,
    session,
    violations,
    wait_until_shown,
    watch,
)
from tests.e2e.embedded import Service, is_in_the_middle, submit, until
from tests.processes import job_process, suspend, tree
from tests.waiting import DEADLINE_S
from zpruner import Client

pytestmark = pytest.mark.e2e

Theme = Literal["light", "dark"]
VIEWS: tuple[tuple[Theme, int], ...] = (("light", 390), ("dark", 1280), ("light", 1920))


def test_a_service_is_slow_while_it_responds_slowly(tabs: Session, service: Service) -> None:
    page = tabs.open("/workers")
    status = page.locator(".badge [role=status]")
    expect(status).to_have_text("Live")
    network = page.context.new_cdp_session(page)
    network.send("Network.enable")

    delay(network, 1500)
    expect(status).to_have_text("Slow")
    photograph(page, "slow")

    delay(network, 0)
    expect(status).to_have_text("Live")


def delay(network: object, latency_ms: int) -> None:
    """Delay each response."""
    conditions = {"offline": False, "downloadThroughput": -1, "uploadThroughput": -1}
    network.send(  # type: ignore[attr-defined] # playwright does not export the class
        "Network.emulateNetworkConditions", conditions | {"latency": latency_ms}
    )


@pytest.fixture
def pruning(service: Service, client: Client) -> Iterator[str]:
    """A job that prunes."""
    job = submit(client, "slow", samples=LONG, name="long")
    until(client, job.id, is_in_the_middle)
    yield job.id
    if not client.jobs.get(job.id).is_final:
        client.jobs.cancel(job.id)


SILENT = ("No heartbeat for", "If it stays silent, the job is queued again", "kept")


def test_a_silent_worker_is_shown_and_a_requeue_shows_the_kept_blocks(
    tabs: Session, service: Service, client: Client, pruning: str
) -> None:
    page, workers = tabs.open(f"/jobs/{pruning}"), tabs.open("/workers")
    expect(page.get_by_role("slider", name="Blocks")).to_be_visible()
    expect(workers.get_by_text("no heartbeat")).to_have_count(0)

    # The service replaces a frozen worker a few seconds after the pages have shown its silence.
    for one in (page, workers):
        watch(one.get_by_role("main"))

    suspend(frozen := tree(service.worker()), service.data_dir)
    try:
        wait_until_shown(page, lambda text: all(part in text for part in SILENT))
        photograph(page, "job-silent")
        wait_until_shown(workers, lambda text: "no heartbeat for" in text)
        photograph(workers, "worker-silent")
    finally:
        for process in frozen:
            with suppress(psutil.NoSuchProcess):
                process.resume()
    expect(page.locator(".note.is-failed")).to_have_count(0)

    worker = until(client, pruning, is_in_the_middle).worker
    assert worker is not None
    job_process(worker).kill()
    kept = page.get_by_role("list", name="Phases").locator(".step-kept")
    expect(kept).to_contain_text("of 16 blocks kept")
    photograph(page, "job-kept")


def test_a_webhook_whose_messages_fail_is_red(browser: Browser, service: Service) -> None:
    with (
        socket.socket() as bound,
        httpx.Client(base_url=service.url, timeout=60) as api,
    ):
        bound.bind(("127.0.0.1", 0))  # so that nobody else listens there
        address = f"http://127.0.0.1:{bound.getsockname()[1]}/"
        body = {"url": address, "description": "nobody listens"}
        webhook = api.post("/v1/webhooks", json=body).raise_for_status().json()["id"]
        api.post(f"/v1/webhooks/{webhook}/test").raise_for_status()
        with session(browser, service.url) as tabs:
            page = tabs.open("/webhooks")
            row = page.get_by_role("listitem").filter(has_text="nobody listens")
            pills = row.locator(".pill.is-failed")
            expect(pills).to_have_text(["retrying", "failing"])
            row.get_by_role("link").click()
            heading = page.get_by_role("heading", level=1)
            expect(heading.locator(".pill.is-failed")).to_have_text("failing")
            failure = re.compile("The latest .*message.* could not be delivered")
            expect(page.get_by_text(failure)).to_be_visible()
            photograph(page, "webhook-failing")
        api.delete(f"/v1/webhooks/{webhook}").raise_for_status()


def test_an_opened_rerun_is_not_in_the_audit(
    tabs: Session, service: Service, client: Client
) -> None:
    job = submit(client, "tiny", samples=4, name="only looked at")
    page = tabs.open(f"/jobs/{job.id}/rerun")
    expect(page.get_by_role("heading", name="Would be accepted")).to_be_visible()
    expect(page.get_by_text("Estimate", exact=False).first).to_be_visible()
    client.jobs.wait(job.id, timeout_s=DEADLINE_S)

    entries = httpx.get(f"{service.url}/v1/audit", timeout=60).json()["data"]

    assert [one["action"] for one in entries if job.id in one["target"]] == ["submit_job"]
    assert {"rerun_job", "estimate_job"}.isdisjoint(one["action"] for one in entries[:1])


def test_each_worker_shows_load_job_pace_last_day_and_the_job_that_its_drain_waits_for(
    tabs: Session, pruning: str
) -> None:
    page = tabs.open("/workers")
    card = page.get_by_role("list", name="Workers").get_by_role("listitem")
    for theme, width in VIEWS:
        page.emulate_media(color_scheme=theme)
        resize(page, (width, 900))
        expect(card.locator(".pill")).to_have_text("busy")
        expect(card).to_contain_text(re.compile(r"Load\d+ %"))
        expect(card).to_contain_text(re.compile(r"Memory[\d.]+ GB of [\d.]+ GB"))
        expect(card).to_contain_text(re.compile(r"extras .*\beval\b"))
        expect(card.get_by_role("link", name="long")).to_be_visible()
        expect(card).to_contain_text(re.compile(r"\d+ of 16 blocks · [\d.]+ s each"))
        expect(card.get_by_text(re.compile("Last day: with a job"))).to_be_visible()
        expect(page.get_by_text(re.compile("in the last day: at most"))).to_be_visible()
        assert violations(page) == []
        assert overflow(page) == 0
        photograph(page, f"wall-{width}-{theme}")
    card.get_by_role("button", name="Drain").click()
    expect(card).to_contain_text("Draining: it takes no job after long has ended")
    card.get_by_role("button", name="Take jobs again").click()
    expect(card.locator(".pill")).to_have_text("busy")
    expect(card.get_by_text("Figures")).to_be_visible()  # after the first sample
