"""A sweep's page: which point to take."""

import re
from itertools import product

import pytest
from playwright.sync_api import Page, expect

from tests.dashboard.browser import Session, violations
from tests.dashboard.conftest import Api
from tests.dashboard.keyboard_task import KeyboardTask
from tests.dashboard.measured import add_sweep
from tests.waiting import DEADLINE_S

pytestmark = pytest.mark.e2e

GATE = {"max": {"perplexity_ratio": 1.3}}


def open_sweep(tabs: Session, sweep_id: str) -> Page:
    page = tabs.open(f"/sweeps/{sweep_id}")
    expect(page.get_by_role("heading", level=1)).to_have_text("grid")
    return page


def test_the_sparsest_point_that_passes_is_named_with_what_is_done_next(
    api_tabs: Session, api: Api
) -> None:
    points = [
        ({"sparsity": sparsity, "method": method}, perplexity)
        for (sparsity, method), perplexity in zip(
            product((0.4, 0.5, 0.6), ("wanda", "ria")), (21, 22, 24, 25, 28, 90), strict=True
        )
    ]
    sweep_id, ids = add_sweep(api.sessions, GATE, points)
    page = open_sweep(api_tabs, sweep_id)
    card = page.locator("section").filter(has=page.get_by_role("heading", name="Best that passes"))

    expect(card).to_contain_text("gate: perplexity ratio ≤ 1.3")
    expect(card.get_by_role("link", name="50 %, wanda")).to_be_visible()
    expect(card).to_contain_text("1.20")
    expect(card.get_by_role("button", name="Download")).to_be_visible()
    expect(card.get_by_role("link", name="Rerun")).to_have_attribute(
        "href", f"/jobs/{ids[2]}/rerun"
    )
    table = page.get_by_role("region", name="Perplexity by method and sparsity")
    expect(table.get_by_role("cell", name="24.0")).to_have_text(
        "24.0 ✓ gate passed, best that passes"
    )
    expect(table.get_by_role("cell", name="90.0")).to_have_text("90.0 ✗ gate failed")
    chart = page.get_by_role("slider", name="Reduction against perplexity")
    chart.focus()  # scrolls there, so that the code that draws it is loaded
    expect(chart.locator("canvas")).to_be_visible()  # only a drawn chart keeps what is pointed at
    page.keyboard.press("End")
    expect(chart).to_have_attribute("aria-valuetext", re.compile("60 %, ria: .* Perplexity 90"))

    assert violations(page) == []
    card.get_by_role("link", name="Compare").click()
    expect(page).to_have_url(re.compile(f"ids={ids[2]},.*&baseline={ids[2]}"))
    page.go_back()
    chart.focus()
    expect(chart.locator("canvas")).to_be_visible()
    page.keyboard.press("End")
    expect(chart).to_have_attribute("aria-valuetext", re.compile("60 %, ria: .* Perplexity 90"))
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(f"/jobs/{ids[5]}$"))


def test_the_best_sparsity_under_a_gate_is_found_in_eight_clicks_from_an_empty_form(
    tabs: Session,
) -> None:
    page = tabs.open("/sweeps/new")
    task = KeyboardTask(page)
    task.type(page.get_by_label("Model", exact=True), "local:tiny")
    task.type(page.get_by_label("Calibration text", exact=True), "local:text.txt")
    task.type(page.get_by_label("Sparsity", exact=True), "30 %, 60 %")
    task.press(page.get_by_role("button", name="Add a bound"))
    expect(page.get_by_text("The limit of each bound of the gate.")).to_be_visible()
    task.type(page.get_by_label("Limit of bound 1"), "9")
    expect(page.get_by_role("heading", name="2 jobs would be accepted")).to_be_visible()
    task.press(page.get_by_role("button", name="Submit sweep"))

    best = page.locator("section").filter(has=page.get_by_role("heading", name="Best that passes"))
    expect(page.get_by_role("heading", name="Best that passes", exact=True)).to_be_visible(
        timeout=1000 * DEADLINE_S
    )
    expect(best.get_by_role("link", name="60 %")).to_be_visible()
    with page.expect_download() as download:
        task.press(best.get_by_role("button", name="Download"))
    assert download.value.suggested_filename.endswith(".tar")
    assert task.clicks <= 8


def test_points_outside_the_gate_are_named(api_tabs: Session, api: Api) -> None:
    failed, _ = add_sweep(api.sessions, GATE, [({"sparsity": 0.5}, 50), ({"sparsity": 0.6}, 60)])
    page = open_sweep(api_tabs, failed)
    expect(
        page.get_by_text("No point passes the gate. The lowest perplexity ratio is 2.50.")
    ).to_be_visible()
    without, _ = add_sweep(api.sessions, None, [({"sparsity": 0.5}, 50), ({"sparsity": 0.6}, 60)])
    page = open_sweep(api_tabs, without)
    expect(page.get_by_text("This sweep has no gate.")).to_be_visible()
    page.get_by_label("Highest perplexity ratio").fill("2.5")
    best = page.locator("section").filter(has=page.get_by_role("heading", name="Best that passes"))
    expect(best.get_by_role("link", name="50 %")).to_be_visible()
    expect(page).to_have_url(re.compile(r"\?ratio=2\.5$"))


def test_from_three_fields_on_each_has_an_axis_whose_values_can_be_chosen(
    api_tabs: Session, api: Api
) -> None:
    grid = product((0.4, 0.6), ("wanda", "ria"), ("none", "sparsegpt"))
    names = ("sparsity", "method", "solver")
    points = [(dict(zip(names, one, strict=True)), 21.0 + n) for n, one in enumerate(grid)]
    sweep_id, _ = add_sweep(api.sessions, None, points)
    page = open_sweep(api_tabs, sweep_id)
    axes = page.get_by_role("region", name="Parallel coordinates")

    expect(axes.locator(".parallel-name")).to_have_text([*names, "perplexity"])
    axes.get_by_role("button", name="sparsegpt").click()
    expect(page.get_by_text("4 of 8 points")).to_be_visible()
    axes.get_by_role("button", name="40 %").click()
    expect(page.get_by_text("2 of 8 points")).to_be_visible()
    expect(axes.locator("polyline:not(.is-faded)")).to_have_count(2)
    page.emulate_media(color_scheme="dark")
    assert violations(page) == []
