"""Comparing jobs: what is comparable is compared, and the address keeps all of it."""

import re

import pytest
from playwright.sync_api import expect

from tests.dashboard.browser import NARROW, Session, overflow, violations
from tests.dashboard.conftest import Api
from tests.dashboard.keyboard_task import KeyboardTask
from tests.dashboard.measured import add_job
from tests.factories import make_job

pytestmark = pytest.mark.e2e


def test_two_jobs_are_compared_with_a_chosen_baseline_in_four_clicks(
    api_tabs: Session, api: Api
) -> None:
    older = add_job(api.sessions, "chosen one", 25.0)
    add_job(api.sessions, "chosen two", 30.0)
    page = api_tabs.open("/?q=chosen")
    task = KeyboardTask(page)
    for name in ("chosen two", "chosen one"):
        task.press(page.get_by_label(f"Select {name}"))
    task.press(page.get_by_role("link", name="Compare", exact=True).and_(page.locator(".button")))
    task.press(page.get_by_label("Baseline: chosen one"))

    metrics = page.get_by_role("region", name="Metrics of the jobs")
    perplexity = metrics.get_by_role("row", name=re.compile("^Perplexity [0-9]"))
    expect(perplexity).to_contain_text("+20.0 %")
    expect(perplexity).to_contain_text("(best at 50.0 %)")
    expect(page).to_have_url(re.compile(f"baseline={older.id}"))
    assert task.clicks <= 4


def test_a_job_without_figures_is_left_out_by_name_and_the_others_are_compared(
    api_tabs: Session, api: Api
) -> None:
    jobs = [
        add_job(api.sessions, "half", 25.0, spec={"sparsity": 0.5}),
        add_job(api.sessions, "more", 40.0, spec={"sparsity": 0.6}),
        add_job(api.sessions, "foreign", 9.0, spec={"model": "org/foreign"}),
        make_job(api.sessions, name="waiting"),
    ]
    page = api_tabs.open(f"/compare?ids={','.join(job.id for job in jobs)}")

    chosen = page.get_by_role("listitem")
    expect(chosen.filter(has_text="waiting")).to_contain_text("left out: queued, without figures")
    expect(page.get_by_text("the models differ: org/model, org/foreign")).to_be_visible()
    metrics = page.get_by_role("region", name="Metrics of the jobs")
    perplexity = metrics.get_by_role("row", name=re.compile("^Perplexity [0-9]"))
    expect(perplexity.get_by_role("cell")).to_have_text(["25.0", "40.0+60.0 %", "9.00"])
    assert violations(page) == []

    page.get_by_role("button", name="Remove waiting").click()
    expect(page.get_by_text("left out: queued")).to_have_count(0)
    expect(page).not_to_have_url(re.compile(jobs[3].id))
    page.go_back()
    expect(page.get_by_text("left out: queued")).to_be_visible()


def test_a_job_is_added_on_the_page_and_a_link_shows_the_same(api_tabs: Session, api: Api) -> None:
    first, second = (add_job(api.sessions, name, 25.0) for name in ("first of two", "second"))
    add_job(api.sessions, "searched for", 26.0, spec={"method": "wanda"})
    page = api_tabs.open(f"/compare?ids={first.id},{second.id}&baseline={second.id}")

    page.get_by_text("Add a job").click()
    page.get_by_label("Search jobs that have succeeded").fill("searched")
    page.get_by_role("button", name="Add searched for").click()
    page.get_by_role("group", name="Metric of the blocks").get_by_text("Seconds").click()
    chart = page.get_by_role("figure").filter(has=page.get_by_role("slider", name="Seconds by"))
    chart.get_by_label("Log axis").check()
    page.get_by_label("Differences only").uncheck()
    rows = page.get_by_role("region", name="Configurations of the jobs").get_by_role("rowheader")
    expect(rows.first).to_have_text("Method")
    expect(rows.nth(10)).to_be_visible()

    again = api_tabs.open(page.url)
    expect(again.get_by_label("Baseline: second")).to_be_checked()
    expect(again.get_by_role("columnheader", name="searched for")).to_have_count(2)
    chart = again.get_by_role("figure").filter(has=again.get_by_role("slider", name="Seconds by"))
    expect(chart.get_by_label("Log axis")).to_be_checked()
    expect(again.get_by_label("Differences only")).not_to_be_checked()

    again.emulate_media(media="print")
    expect(again.get_by_role("region", name="Metrics of the jobs")).to_be_visible()
    expect(again.get_by_role("button", name="Print")).to_be_hidden()


def test_digests_that_differ_stay_on_the_page_of_a_phone(api_tabs: Session, api: Api) -> None:
    first = add_job(api.sessions, "one text", 25.0)
    protocol = {"token_ids_sha256": "f" * 64, "dataset_sha256": "e" * 64, "dtype": "float32"}
    other = add_job(api.sessions, "another text", 30.0, protocol=protocol)
    page = api_tabs.open(f"/compare?ids={first.id},{other.id}")
    page.set_viewport_size({"width": NARROW[0], "height": NARROW[1]})
    expect(page.get_by_text("the evaluations differ in token_ids_sha256")).to_be_visible()
    assert overflow(page) == 0
