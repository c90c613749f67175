"""Charts: what is drawn can also be read, by hover, by keys and as a table."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.dashboard.browser import NARROW, Session, session, wait_until_it_only_listens
from tests.dashboard.conftest import Api
from tests.dashboard.measured import BLOCKS, add_experts, add_job
from tests.waiting import eventually

pytestmark = pytest.mark.e2e

DRAWN = "(canvas) => canvas.toDataURL()"
HEIGHT = "(one) => one.offsetHeight"
BETWEEN_LOOKS_MS = 200


@pytest.fixture(scope="module")
def two_jobs(api: Api) -> str:
    """The address of a comparison of two jobs."""
    jobs = [
        add_job(api.sessions, "half", 25.0, spec={"sparsity": 0.5}),
        add_job(api.sessions, "more", 40.0, spec={"sparsity": 0.6}),
    ]
    return f"/compare?ids={','.join(job.id for job in jobs)}"


def drag(plot: Locator, start: float, end: float) -> None:
    """Drag over a part of a chart, from one share of its width to another."""
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    assert box is not None
    mouse = plot.page.mouse
    mouse.move(box["x"] + box["width"] * start, box["y"] + box["height"] / 2)
    mouse.down()
    mouse.move(box["x"] + box["width"] * end, box["y"] + box["height"] / 2, steps=4)
    mouse.up()


def settled(canvas: Locator) -> str:
    """Return what is drawn, once it is the same twice."""
    drawn = [""]

    def is_still() -> bool:
        canvas.page.wait_for_timeout(BETWEEN_LOOKS_MS)
        drawn.append(canvas.evaluate(DRAWN))
        return drawn[-1] == drawn[-2]

    eventually(is_still)
    return drawn[-1]


def test_a_chart_is_read_by_hover_by_keys_and_as_a_table(api_tabs: Session, two_jobs: str) -> None:
    page = api_tabs.open(two_jobs)
    slider = page.get_by_role("slider", name="Error by block")
    chart = page.get_by_role("figure").filter(has=slider)

    slider.scroll_into_view_if_needed()
    expect(chart.locator("canvas")).to_be_visible()
    wait_until_it_only_listens(api_tabs, page)  # the blocks of the second job come later
    settled(chart.locator("canvas"))
    slider.hover()
    expect(chart.locator(".chart-tip")).to_contain_text("Block")
    slider.focus()
    page.keyboard.press("End")
    last = re.compile("^more .*: Block 16, Error 0.096$")
    expect(slider).to_have_attribute("aria-valuetext", last)
    page.keyboard.press("ArrowLeft")
    expect(chart.locator(".chart-tip li")).to_contain_text(["0.075", "0.09"])

    chart.get_by_role("button", name="half").click()
    slider.focus()
    page.keyboard.press("Home")
    expect(chart.locator(".chart-tip li")).to_have_count(1)
    chart.get_by_text("Figures").click()
    expect(chart.get_by_role("row")).to_have_count(BLOCKS + 1)
    expect(chart.get_by_role("row").last).to_contain_text("0.096")


def test_a_drag_zooms_in_and_the_axis_can_be_logarithmic(api_tabs: Session, two_jobs: str) -> None:
    page = api_tabs.open(two_jobs)
    slider = page.get_by_role("slider", name="Error by block")
    chart = page.get_by_role("figure").filter(has=slider)
    canvas = chart.locator("canvas")
    for name in ("half", "more"):
        expect(chart.get_by_role("button", name=name)).to_be_visible()
    wait_until_it_only_listens(api_tabs, page)
    whole = settled(canvas)

    drag(chart.locator(".u-over"), 0.3, 0.6)
    reset = chart.get_by_role("button", name="Reset zoom")
    expect(reset).to_be_visible()
    eventually(lambda: canvas.evaluate(DRAWN) != whole)
    reset.click()
    expect(reset).to_have_count(0)
    eventually(lambda: canvas.evaluate(DRAWN) == whole)

    chart.get_by_label("Log axis").check()
    eventually(lambda: canvas.evaluate(DRAWN) != whole)


def test_the_code_of_charts_is_loaded_when_one_is_near_or_the_page_is_used_and_nothing_moves(
    browser: Browser, api: Api
) -> None:
    path = f"/jobs/{add_job(api.sessions, 'below', 25.0).id}"
    acts: tuple[Callable[[Page], None], ...] = (
        lambda page: page.get_by_role("slider", name="Error by block").scroll_into_view_if_needed(),
        lambda page: page.keyboard.press("Control"),  # as before a page is printed
    )
    for act in acts:
        with session(browser, api.url, size=(1280, 250)) as tabs:
            page = tabs.open(path)
            slider = page.get_by_role("slider", name="Error by block")
            chart = page.get_by_role("figure").filter(has=slider)
            expect(chart).to_be_visible()
            for _ in range(2):
                page.evaluate("new Promise(requestAnimationFrame)")
            assert not any("/plot-" in url for url in tabs.requests)
            height = chart.evaluate(HEIGHT)

            act(page)

            expect(slider.locator("canvas")).to_be_visible()
            assert sum("/plot-" in url for url in tabs.requests) == 2  # a script and its style
            assert chart.evaluate(HEIGHT) == height


def test_the_strip_of_experts_is_read_where_it_is_pointed_at_and_fits_a_phone(
    browser: Browser, api: Api
) -> None:
    job = add_experts(api.sessions, 128)
    with session(browser, api.url, size=NARROW) as tabs:
        page = tabs.open(f"/jobs/{job.id}")
        slider = page.get_by_role("slider", name="Score of experts by block")
        slider.scroll_into_view_if_needed()
        box = slider.bounding_box()
        assert box is not None
        cell = (box["width"] / 128, box["height"] / BLOCKS)
        slider.hover(position={"x": 125.5 * cell[0], "y": 15.5 * cell[1]})
        tip = page.locator(".experts .chart-tip")
        expect(tip).to_contain_text("Block 16, expert 125")
        expect(tip).to_contain_text("score 126, 1,250 tokens, removed")
        label = page.locator(".expert-labels").last.locator("span").nth(15).bounding_box()
        box = slider.bounding_box()  # again, because what is above may have grown
        assert label is not None
        assert box is not None
        assert abs(label["y"] - box["y"] - 15 * cell[1]) < 2  # each share is beside its layer
        assert page.evaluate("document.documentElement.scrollWidth") <= NARROW[0]
