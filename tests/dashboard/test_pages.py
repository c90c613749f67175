"""Every page, in both themes and every size: for eyes, for keyboards, for screen readers."""

from dataclasses import dataclass
from typing import Any, Literal

import httpx
import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.dashboard.browser import (
    AT_200_PERCENT,
    NARROW,
    WIDE,
    overflow,
    photograph,
    resize,
    session,
    violations,
    wait_until,
    wait_until_it_only_listens,
)
from tests.e2e.embedded import SPEC, Service, submit
from tests.waiting import DEADLINE_S
from zpruner import Client

pytestmark = pytest.mark.e2e

Rules = dict[Literal["light", "dark"], tuple[str, ...]]

FIRST_VIEW_BYTES = 160_000
SIZES = {"wide": WIDE, "narrow": NARROW, "200-percent": AT_200_PERCENT, "1920": (1920, 1080)}
ALL_RULES: Rules = {"light": (), "dark": ("color-contrast",)}
LAYOUT_RULES: Rules = {"light": ("target-size", "scrollable-region-focusable")}
RULES = {"wide": ALL_RULES, "narrow": ALL_RULES}
"""By size the rules of axe in each theme, which are all if none are named.

Between the themes only colours differ; the other sizes have the elements of these two.
"""


def upload_damaged_dataset(client: Client, service: Service) -> str:
    """Upload a text and change its bytes on the disk; a job that reads it fails."""
    text = service.data_dir / "damaged.txt"
    text.write_text("A sentence of a text that is to change. " * 4000)
    dataset = client.datasets.upload(text)
    (stored,) = (service.data_dir / "uploads").glob(f"{dataset.id}*")
    stored.write_text(text.read_text().replace("change", "differ"))
    return dataset.dataset


@dataclass(frozen=True)
class Place:
    """A page, and the heading by which one knows that it is there."""

    name: str
    path: str
    heading: str


@pytest.fixture(scope="module")
def places(service: Service) -> list[Place]:
    """Every page of the dashboard, with something to show."""
    with Client(service.url) as client:
        one = submit(client, "slow", samples=8, name="first")
        options = {"sparsity": 0.6, "method": "wanda", "name": "<b>second</b>"}
        other = submit(client, "slow", samples=8, **options)
        recover = {"kind": "masked", "tokens": 12_288}
        measured = {"tasks": ["sums", "parity"], "generate": True, "prompts": ["Once"]}
        measured["benchmark"] = True
        recovered = submit(client, "tiny", samples=4, name="recovered", recover=recover, **measured)
        damaged = upload_damaged_dataset(client, service)
        broken = submit(client, "tiny", samples=4, dataset=damaged, name="broken")
        sweep = make_sweep(service.url)
        make_key(service.url)
        webhook_id = make_webhook(service.url)
        trigger_id = make_trigger(service.url)
        jobs = [one.id, other.id, recovered.id, broken.id]
        for job_id in (*jobs, *(point["job_id"] for point in sweep["points"])):
            client.jobs.wait(job_id, timeout_s=DEADLINE_S)
    return [
        Place("jobs", "/", "Jobs"),
        Place("jobs-none-found", "/?q=nothing-is-called-so", "Jobs"),
        Place("job", f"/jobs/{one.id}", "first"),
        Place("job-recovered", f"/jobs/{recovered.id}", "recovered"),
        Place("job-failed", f"/jobs/{broken.id}", "broken"),
        Place("rerun", f"/jobs/{one.id}/rerun", "Rerun"),
        Place("new", "/new", "New job"),
        Place("compare", f"/compare?ids={one.id},{other.id}", "Compare"),
        Place("compare-nothing", "/compare", "Compare"),
        Place("sweeps", "/sweeps", "Sweeps"),
        Place("sweep", f"/sweeps/{sweep['id']}", "two of each"),
        Place("sweep-new", "/sweeps/new", "New sweep"),
        Place("workers", "/workers", "Workers and queues"),
        Place("week", "/week", "A week"),
        Place("webhooks", "/webhooks", "Webhooks"),
        Place("webhook", f"/webhooks/{webhook_id}", "nightly runs"),
        Place("datasets", "/datasets", "Datasets"),
        Place("dataset", f"/datasets/{damaged.removeprefix('uploaded:')}", "damaged.txt"),
        Place("triggers", "/triggers", "Triggers"),
        Place("trigger", f"/triggers/{trigger_id}", "on push"),
        Place("keys", "/keys", "Keys"),
        Place("secrets", "/secrets", "Secrets"),
        Place("audit", "/audit", "Audit"),
    ]


def make_sweep(url: str) -> dict[str, Any]:
    grid = {"sparsity": [0.4, 0.6], "method": ["zpruner", "magnitude"]}
    body = SPEC | {"model": "local:tiny", "samples": 4, "name": "two of each", "grid": grid}
    del body["sparsity"]
    answer: dict[str, Any] = (
        httpx.post(f"{url}/v1/sweeps", json=body, timeout=DEADLINE_S).raise_for_status().json()
    )
    return answer


def make_key(url: str) -> None:
    quotas = {"jobs_in_flight": 3, "gpu_hours": 12.5, "artifact_bytes": 50_000_000_000}
    body = {"name": "nightly", "quotas": quotas, "expires_at": "2999-01-05T00:00:00Z"}
    httpx.post(f"{url}/v1/keys", json=body, timeout=DEADLINE_S).raise_for_status()
    httpx.put(
        f"{url}/v1/secrets/hf-llama", json={"value": "hf_of-nobody"}, timeout=DEADLINE_S
    ).raise_for_status()


def make_webhook(url: str) -> str:
    """Make a webhook that a message waits for."""
    body = {"url": "https://hooks.example.com/zpruner", "description": "nightly runs"}
    with httpx.Client(base_url=url, timeout=DEADLINE_S) as service:
        made = service.post("/v1/webhooks", json=body).raise_for_status().json()
        service.post(f"/v1/webhooks/{made['id']}/test").raise_for_status()
        service.patch(f"/v1/webhooks/{made['id']}", json={"enabled": False}).raise_for_status()
    return str(made["id"])


def make_trigger(url: str) -> str:
    """Make a trigger that has refused a call."""
    job = {"sparsity": 0.5, "dataset": "local:text.txt"}
    body = {"name": "on push", "source": "generic", "job": job, "map": {"model": "/model"}}
    with httpx.Client(base_url=url, timeout=DEADLINE_S) as service:
        made = service.post("/v1/triggers", json=body).raise_for_status().json()
        headers = {"authorization": f"Bearer {made['secret']}"}
        service.post(made["hook"], json={"other": 1}, headers=headers)
    return str(made["id"])


def settle(page: Page, place: Place) -> None:
    """Wait until the page has what it asked for."""
    expect(page.get_by_role("heading", level=1)).to_contain_text(place.heading)
    expect(page.locator(".loading")).to_have_count(0)
    expect(page.get_by_text("This page has failed")).to_have_count(0)


def test_axe_finds_nothing_no_page_is_too_wide_and_tab_reaches_every_control(
    browser: Browser, service: Service, places: list[Place]
) -> None:
    found: list[str] = []
    with session(browser, service.url) as tabs:
        page = tabs.context.new_page()  # a tab for each page would compile axe and our scripts anew
        for place in places:
            page.goto(place.path)
            for size, pixels in SIZES.items():
                resize(page, pixels)
                settle(page, place)
                for theme, rules in RULES.get(size, LAYOUT_RULES).items():
                    page.emulate_media(color_scheme=theme)
                    photograph(page, f"{place.name}-{size}-{theme}")
                    found += [f"{size}, {theme}: {one}" for one in violations(page, *rules)]
                if (excess := overflow(page)) > 0:
                    found.append(f"{place.name}, {size}: {excess} pixels too wide")
            resize(page, WIDE)
            settle(page, place)
            found += [f"{place.name}: without a visible focus: {one}" for one in unreached(page)]
    assert not found, "\n".join(found)


def test_a_first_view_of_a_job_transfers_at_most_160_kb(
    browser: Browser, service: Service, places: list[Place]
) -> None:
    job = next(place for place in places if place.name == "job-recovered")
    with session(browser, service.url) as tabs:
        page = tabs.context.new_page()
        network = page.context.new_cdp_session(page)
        network.send("Network.enable")
        urls: dict[str, str] = {}
        sizes: dict[str, float] = {}

        def note_size(end: dict[str, Any]) -> None:
            """Note the size of the first response of an address, which may be polled later."""
            sizes.setdefault(urls[end["requestId"]], end["encodedDataLength"])

        network.on(
            "Network.requestWillBeSent",
            lambda sent: urls.update({sent["requestId"]: sent["request"]["url"]}),
        )
        network.on("Network.loadingFinished", note_size)
        page.goto(job.path)
        settle(page, job)
        expect(page.locator(".generated")).to_have_count(1)
        expect(page.get_by_role("slider", name="Loss by step")).to_be_visible()
        wait_until_it_only_listens(tabs, page)
    assert 100_000 < sum(sizes.values()) < FIRST_VIEW_BYTES  # headers are counted


def test_a_chosen_theme_is_applied_before_the_first_paint_and_kept(
    browser: Browser, service: Service
) -> None:
    with session(browser, service.url, color_scheme="light") as tabs:
        page = tabs.open("/")
        ground = "getComputedStyle(document.documentElement).backgroundColor"
        light = page.evaluate(ground)
        for name in ("Change to light", "Change to dark"):
            page.get_by_role("button", name=name).click()
        dark = page.evaluate(ground)
        assert dark != light

        page.reload(wait_until="commit")
        wait_until(page, "document.styleSheets.length > 0")

        assert page.evaluate(ground) == dark


MARK = """() => {
    const all = "a[href], button, input, select, textarea, summary, [tabindex='0']";
    for (const one of document.querySelectorAll(all)) {
        const isShown = one.checkVisibility({ visibilityProperty: true });
        const isOffered = !one.disabled && !(one.type === "radio" && !one.checked);
        if (isShown && isOffered && !one.closest("dialog:not([open])")) one.dataset.wanted = "";
    }
    return document.querySelectorAll("[data-wanted]").length;
}"""
ARRIVE = """() => document.addEventListener("focusin", ({ target }) => {
    const seen = [target, target.nextElementSibling].some((it) => {
        if (!it) return false;
        const style = getComputedStyle(it);
        return style.outlineStyle !== "none" && style.outlineWidth !== "0px";
    });
    if (seen) delete target.dataset.wanted;
})"""
LEFT = "[...document.querySelectorAll('[data-wanted]')].map((one) => one.outerHTML.slice(0, 120))"


def unreached(page: Page) -> list[str]:
    """Press Tab until every control has shown the focus; return those that never did."""
    page.evaluate(ARRIVE)
    # Browsers stop at what scrolls, too, so there are more stops than controls.
    presses, left = 2 * page.evaluate(MARK) + 20, page.evaluate(LEFT)
    while left and presses > 0:
        for _ in left:
            page.keyboard.press("Tab")
        presses, left = presses - len(left), page.evaluate(LEFT)
    found: list[str] = left
    return found


def test_loading_and_errors_are_drawn(browser: Browser, service: Service) -> None:
    with session(browser, service.url) as tabs:
        page = tabs.context.new_page()
        held: list[Route] = []
        page.route("**/v1/jobs?*", lambda route: held.append(route))
        page.goto("/")
        expect(page.get_by_role("status").filter(has_text="Loading jobs")).to_be_attached()
        expect(page.locator(".ghost").first).to_be_visible()
        photograph(page, "jobs-loading")

        page.unroute("**/v1/jobs?*")
        page.goto("/jobs/job_0123")
        expect(page.get_by_role("heading", name="There is no job with this id")).to_be_visible()
        photograph(page, "job-unknown")
        page.goto("/new")
        expect(page.get_by_role("heading", name="Still to fill in")).to_be_visible()
        tabs.complaints.clear()  # the browser itself notes the 404


def test_markup_in_a_name_is_shown_as_text(
    browser: Browser, service: Service, places: list[Place]
) -> None:
    with session(browser, service.url) as tabs:
        page = tabs.open(places[0].path)
        expect(page.get_by_role("link", name="<b>second</b>")).to_be_visible()
