"""What is small and everywhere: sizes, keys, icons, notifications, wrong addresses."""

import re

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.dashboard.browser import LONG, Session, overflow, photograph, session, wait_until
from tests.e2e.embedded import Service, submit
from zpruner import Client

pytestmark = pytest.mark.e2e

PHONE = (390, 844)
CAUGHT = """window.Notification = class {
    static requestPermission = async () => "granted";
    constructor(title) { (window.notified ??= []).push(title); }
};"""


def font_px(page: Page, selector: str) -> float:
    size: str = page.evaluate(
        "(one) => getComputedStyle(document.querySelector(one)).fontSize", selector
    )
    return float(size.removesuffix("px"))


def test_text_has_fifteen_pixels_and_tables_have_thirteen(tabs: Session) -> None:
    page = tabs.open("/workers")
    expect(page.get_by_role("table").first).to_be_visible()
    assert font_px(page, "html") == 16
    assert font_px(page, "body") == 15
    assert font_px(page, "table") == 13


def test_a_phone_shows_four_jobs_without_overflow(
    browser: Browser, service: Service, four: list[str]
) -> None:
    with session(browser, service.url, size=PHONE) as tabs:
        page = tabs.open(f"/compare?ids={','.join(four)}")
        expect(page.get_by_role("link", name="one of 3").first).to_be_visible()
        photograph(page, "compare-four-phone")
        assert overflow(page) == 0
        page.goto(f"/jobs/{four[0]}")
        expect(page.get_by_text("times in").first).to_be_visible()
        photograph(page, "job-phone")
        assert overflow(page) == 0


def test_keys_search_move_select_and_explain_themselves(tabs: Session, four: list[str]) -> None:
    page = tabs.open("/")
    expect(page.get_by_role("link", name="one of 3")).to_be_visible()
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox").first).to_be_focused()
    page.keyboard.type("one of")
    expect(page).to_have_url(re.compile(r"q=one\+of$"))  # the rows are drawn anew at each change
    expect(page.get_by_role("link", name=re.compile("^one of"))).to_have_count(4)
    page.get_by_role("heading", level=1).click()  # leaves the field as people do

    for key in ("j", "j", "k", "j"):
        page.keyboard.press(key)
    expect(page.get_by_role("link", name="one of 2")).to_be_focused()
    page.keyboard.press("x")
    expect(page.get_by_text("1 job selected")).to_be_visible()
    page.keyboard.press("?")
    keys = page.get_by_role("dialog", name="Keys")
    expect(keys).to_contain_text("next row")
    photograph(page, "keys")
    page.keyboard.press("Escape")
    expect(keys).to_be_hidden()


def test_the_tab_shows_progress_and_a_watched_job_is_notified(
    tabs: Session, service: Service, client: Client
) -> None:
    tabs.context.add_init_script(CAUGHT)
    job = submit(client, "slow", samples=LONG, name="watched")
    page = tabs.open(f"/jobs/{job.id}")
    expect(page).to_have_title(re.compile(r"% · watched"))
    icon = page.locator("link[rel=icon]")
    expect(icon).to_have_attribute("href", re.compile("^data:image/svg"))
    page.get_by_label("Notify me when it ends").check()
    client.jobs.cancel(job.id)

    expect(page).to_have_title(re.compile("^cancelled · watched"))
    wait_until(page, "window.notified !== undefined")
    page.wait_for_timeout(6000)  # the interval of its polls
    assert page.evaluate("window.notified") == ["watched: cancelled"]
    page.goto("/workers")
    expect(icon).to_have_attribute("href", "/icon.svg")


def test_a_wrong_address_and_the_documentation_lead_back(tabs: Session) -> None:
    page = tabs.open("/no/such/page")
    expect(page.get_by_role("heading", name="There is no page at this address")).to_be_visible()
    photograph(page, "missing")
    page.goto("/docs")
    page.get_by_role("link", name="Dashboard").click()
    expect(page.get_by_role("heading", name="Jobs")).to_be_visible()
    tabs.complaints.clear()  # the browser itself notes the 404
