"""Webhooks: made, tested, given another secret, disabled, deleted; and what went out to each."""

import re
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.dashboard.browser import (
    NARROW,
    WIDE,
    Session,
    overflow,
    photograph,
    resize,
    violations_in_both_themes,
)
from tests.e2e.embedded import Service

pytestmark = pytest.mark.e2e


class Receiver(BaseHTTPRequestHandler):
    """Is busy for ten minutes at the first message, and takes every other."""

    ids: list[str]

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.ids.append(str(self.headers["webhook-id"]))
        is_busy = len(self.ids) == 1
        self.send_response(503 if is_busy else 204)
        if is_busy:
            self.send_header("retry-after", "600")  # else the service tries again after seconds
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def receiver() -> Iterator[tuple[str, list[str]]]:
    """An address on this machine, and the ids of the messages that came."""
    ids: list[str] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Mine", (Receiver,), {"ids": ids}))
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/hooks", ids
    server.shutdown()
    server.server_close()


def make(page: Page, address: str) -> str:
    """Make a webhook on its page, and return its secret."""
    page.get_by_label("Address").fill(address)
    page.get_by_role("button", name="Create webhook").click()
    secret = page.get_by_role("region", name="secret")
    expect(secret).to_be_visible()
    return secret.inner_text().strip()


def test_a_webhook_is_made_tested_changed_and_deleted(tabs: Session, service: Service) -> None:
    page = tabs.open("/webhooks")
    page.get_by_label("Address").fill("https://10.0.0.1/hooks")
    page.get_by_role("button", name="Create webhook").click()
    address = page.get_by_label("Address")
    expect(address).to_have_attribute("aria-invalid", "true")
    expect(address).to_have_accessible_description(re.compile(r"10\.0\.0\.1"))
    tabs.complaints.clear()  # the browser itself notes every refusal

    page.get_by_label("Description").fill("of the tests")
    page.get_by_role("checkbox", name="cancelled").uncheck()
    secret = make(page, "https://hooks.example.com/zpruner")
    assert secret.startswith("whsec_")
    expect(address).to_have_value("")
    page.reload()
    expect(page.get_by_text(secret)).to_have_count(0)
    row = page.get_by_role("listitem").filter(has_text="of the tests")
    expect(row).to_contain_text("jobs succeeded, failed and expired")
    expect(row).to_contain_text("no deliveries yet")
    row.get_by_role("link").click()
    heading = page.get_by_role("heading", level=1)
    expect(heading).to_contain_text("of the tests")

    page.get_by_role("button", name="Send a test").click()
    deliveries = page.locator(".deliveries > li")
    expect(deliveries).to_have_count(1)
    expect(deliveries).to_contain_text(re.compile("pending|retrying"))
    page.get_by_role("button", name="Show webhook.test").click()
    expect(page.get_by_role("region", name="message")).to_contain_text('"type": "webhook.test"')

    page.get_by_role("button", name="New secret").click()
    page.get_by_role("button", name="Create a new secret").click()
    rotated = page.get_by_role("region", name="secret")
    expect(rotated).to_contain_text("whsec_")
    expect(rotated).not_to_contain_text(secret)
    expect(page.get_by_text("old secret valid until")).to_be_visible()

    page.get_by_role("button", name="Edit", exact=True).click()
    expect(page.get_by_label("Address", exact=True)).to_be_focused()
    page.get_by_role("checkbox", name="running").check()
    page.get_by_role("button", name="Save").click()
    expect(
        page.get_by_text("Notified of jobs running, succeeded, failed and expired")
    ).to_be_visible()
    expect(page.get_by_role("button", name="Edit", exact=True)).to_be_focused()

    page.get_by_role("button", name="Disable").click()
    expect(heading.locator(".pill")).to_have_text("disabled")
    expect(page.get_by_role("button", name="Send a test")).to_be_disabled()
    expect(deliveries).to_contain_text("waits until the webhook is enabled")
    page.get_by_role("button", name="Enable").click()
    # Its test message may have failed by now, as it may have above: the address does not exist.
    expect(heading.locator(".pill")).to_have_text(re.compile("enabled|failing"))

    page.get_by_role("button", name="Delete", exact=True).click()
    page.get_by_role("button", name="Delete the webhook").click()
    expect(page.get_by_role("heading", name="Webhooks", exact=True)).to_be_focused()
    expect(page.get_by_text("of the tests")).to_have_count(0)
    left = httpx.get(f"{service.url}/v1/webhooks", timeout=60).json()["data"]
    assert "of the tests" not in [one["description"] for one in left]


def test_a_failed_message_is_seen_and_delivered_again_under_its_id(
    tabs: Session, receiver: tuple[str, list[str]]
) -> None:
    url, ids = receiver
    page = tabs.open("/webhooks")
    make(page, url)
    page.get_by_role("link", name=url).click()

    page.get_by_role("button", name="Send a test").click()
    message = page.locator(".deliveries > li")
    expect(message).to_contain_text("status 503")
    expect(message).to_contain_text("1 attempt · next attempt")
    page.get_by_role("button", name="Show webhook.test").click()
    page.get_by_role("button", name="Deliver again").click()

    expect(message.locator(".pill")).to_have_text("delivered")
    expect(message).to_contain_text("status 204")
    expect(page.get_by_role("list", name="Attempts").get_by_role("listitem")).to_have_count(2)
    assert len(ids) == 2
    assert len(set(ids)) == 1


def test_axe_finds_nothing_with_everything_open(tabs: Session) -> None:
    page = tabs.open("/webhooks")
    make(page, "https://hooks.example.com/open")
    for size in (NARROW, WIDE):
        resize(page, size)
        assert violations_in_both_themes(page) == []
    page.get_by_role("link", name="/open").click()
    page.get_by_role("button", name="Send a test").click()
    page.get_by_role("button", name="Show webhook.test").click()
    expect(page.get_by_role("region", name="message")).to_be_visible()
    page.get_by_role("button", name="Edit", exact=True).click()
    for size in (WIDE, NARROW):
        resize(page, size)
        photograph(page, f"webhook-open-{size[0]}")
        assert violations_in_both_themes(page) == []
        assert overflow(page) == 0
