"""What people call a job, changed on its page: by keyboard, refused, and by two at once."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.dashboard.browser import (
    LONG,
    NARROW,
    WIDE,
    Session,
    overflow,
    photograph,
    resize,
    violations_in_both_themes,
)
from tests.e2e.embedded import Service, is_in_the_middle, submit, until
from tests.waiting import DEADLINE_S
from zpruner import Client

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def described(service: Service) -> str:
    """The id of a job that has ended, with two labels."""
    with Client(service.url) as client:
        labels = {"team": "nlp", "run": "7"}
        job = submit(client, "tiny", samples=4, name="one", labels=labels)
        return client.jobs.wait(job.id, timeout_s=DEADLINE_S).id


def opened(page: Page) -> Page:
    page.get_by_role("button", name="Edit", exact=True).click()
    expect(page.get_by_label("Name", exact=True)).to_be_focused()
    return page


def test_a_running_job_is_renamed_by_keyboard_alone_and_another_tab_shows_it(
    tabs: Session, client: Client
) -> None:
    job = submit(client, "slow", samples=LONG, name="before", labels={"team": "nlp", "old": "1"})
    until(client, job.id, is_in_the_middle)
    listed, page = tabs.open("/"), tabs.open(f"/jobs/{job.id}")
    expect(listed.get_by_role("link", name="before", exact=True)).to_be_visible()
    page.get_by_role("button", name="Edit", exact=True).focus()

    page.keyboard.press("Enter")
    expect(page.get_by_label("Name", exact=True)).to_be_focused()
    page.keyboard.press("ControlOrMeta+A")
    page.keyboard.type("after")
    page.keyboard.press("Tab")
    page.keyboard.press("ControlOrMeta+A")
    page.keyboard.type("-3")
    page.get_by_role("button", name="Remove label old").press("Enter")
    expect(page.get_by_role("button", name="Add a label")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_label("Name of label 2")).to_be_focused()
    page.keyboard.type("run")
    page.keyboard.press("Tab")
    page.keyboard.type("7, again")
    page.keyboard.press("Enter")

    expect(page.get_by_role("heading", level=1)).to_contain_text("after")
    expect(page.get_by_role("button", name="Edit", exact=True)).to_be_focused()
    expect(page.get_by_role("list", name="Labels")).to_contain_text("run=7, again")
    changed = client.jobs.get(job.id)
    assert changed.name == "after"
    assert changed.labels == {"team": "nlp", "run": "7, again"}
    assert changed.priority == -3
    expect(listed.get_by_role("link", name="after", exact=True)).to_be_visible()
    client.jobs.cancel(job.id)


def test_an_error_is_shown_beside_its_field_and_escape_changes_nothing(
    tabs: Session, client: Client, four: list[str]
) -> None:
    page = opened(tabs.open(f"/jobs/{four[0]}"))

    page.get_by_label("Priority").fill("11")
    page.get_by_role("button", name="Add a label").click()
    page.get_by_label("Name of label 1").fill("no spaces")
    page.get_by_role("button", name="Save").click()

    expect(page.get_by_label("Priority")).to_have_accessible_description(re.compile("at most 10"))
    label = page.get_by_label("Name of label 1")
    expect(label).to_have_attribute("aria-invalid", "true")
    expect(label).to_have_accessible_description(re.compile("no spaces"))
    label.press("Escape")
    expect(page.get_by_role("button", name="Edit", exact=True)).to_be_focused()
    assert client.jobs.get(four[0]).priority == 0
    tabs.complaints.clear()  # the browser itself notes every refusal


def test_the_second_of_two_concurrent_changes_is_refused_and_shows_the_first(
    tabs: Session, client: Client, described: str
) -> None:
    first, second = (opened(tabs.open(f"/jobs/{described}")) for _ in range(2))
    first.get_by_label("Name", exact=True).fill("two")
    first.get_by_label("Priority").fill("4")
    first.get_by_role("button", name="Save").click()
    expect(first.get_by_role("heading", level=1)).to_contain_text("two")

    second.get_by_label("Name", exact=True).fill("three")
    second.get_by_role("button", name="Save").click()

    alert = second.get_by_role("alert")
    expect(alert).to_contain_text("Another person has changed this job")
    expect(alert).to_contain_text("“two”")
    assert client.jobs.get(described).name == "two"
    second.get_by_role("button", name="Show the changes").click()
    expect(second.get_by_label("Name", exact=True)).to_be_focused()
    expect(second.get_by_label("Name", exact=True)).to_have_value("three")
    expect(second.get_by_label("Priority")).to_have_value("4")
    second.get_by_role("button", name="Save").click()
    expect(second.get_by_role("heading", level=1)).to_contain_text("three")
    changed = client.jobs.get(described)
    assert (changed.name, changed.priority) == ("three", 4)


def test_axe_finds_nothing_in_the_form(tabs: Session, described: str) -> None:
    page = opened(tabs.open(f"/jobs/{described}"))
    page.get_by_role("button", name="Add a label").click()
    page.get_by_label("Name of label 3").fill("no spaces")
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".problem")).to_be_visible()
    for size in (WIDE, NARROW):
        resize(page, size)
        photograph(page, f"job-described-{size[0]}")
        assert violations_in_both_themes(page) == []
        assert overflow(page) == 0
    tabs.complaints.clear()  # the browser itself notes every refusal
