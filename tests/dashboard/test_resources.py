"""The pages of datasets and triggers, each task with its clicks counted."""

import json
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Locator, Page, expect

from tests.api.calls import proof
from tests.dashboard.browser import Session, overflow
from tests.dashboard.conftest import Api

pytestmark = pytest.mark.e2e


class Clicks:
    """Clicks on a page, counted; typing and choosing a file are no clicks."""

    def __init__(self, page: Page) -> None:
        self._page, self.count = page, 0

    def on(self, role: str, name: str) -> None:
        self.at(self._page.get_by_role(role, name=name, exact=True))  # type: ignore[arg-type] # a role

    def at(self, place: Locator) -> None:
        place.click()
        self.count += 1


def test_a_dataset_is_uploaded_and_used_with_five_clicks(
    api_tabs: Session, api: Api, tmp_path: Path
) -> None:
    text = tmp_path / "tickets.txt"
    text.write_text("A sentence of a ticket. " * 2000)
    page = api_tabs.open("/")
    clicks = Clicks(page)

    clicks.on("link", "Datasets")
    with page.expect_file_chooser() as chooser:
        clicks.at(page.get_by_label("Text file (.txt, .jsonl or .csv)"))
    chooser.value.set_files(text)
    expect(page.get_by_role("heading", level=1)).to_have_text("tickets.txt")
    expect(page.get_by_role("region", name="First lines")).to_contain_text("A sentence")
    expect(page.locator(".facts")).to_contain_text("about 12,000")
    clicks.on("link", "Use in a job")
    expect(page.locator("p", has_text="tickets.txt, 48.0 kB")).to_be_visible()
    page.get_by_label("Model", exact=True).fill("local:tiny")
    page.get_by_label("Sparsity", exact=True).fill("50")
    clicks.on("button", "Submit job")

    expect(page.get_by_role("heading", level=1)).to_contain_text("tiny")
    assert clicks.count <= 5
    job = httpx.get(f"{api.url}/v1/jobs").json()["data"][0]
    assert job["spec"]["dataset"].startswith("uploaded:dat_")
    dataset_id = job["spec"]["dataset"].removeprefix("uploaded:")
    page.goto(f"/datasets/{dataset_id}")
    expect(page.get_by_role("link", name=job["id"][-8:])).to_have_attribute(
        "href", f"/jobs/{job['id']}"
    )


def test_a_file_that_no_job_can_read_is_refused_with_its_line(
    api_tabs: Session, tmp_path: Path
) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"text": "one"}\n{"text": \n')
    page = api_tabs.open("/datasets")

    page.get_by_label("Text file (.txt, .jsonl or .csv)").set_input_files(rows)

    expect(page.get_by_role("alert")).to_contain_text("line 2 is not JSON")
    api_tabs.complaints.clear()  # the browser itself notes the refusal


def test_models_and_datasets_are_suggested(api_tabs: Session) -> None:
    page = api_tabs.open("/new")
    for label, value in (("Model", "local:tiny"), ("Calibration text", "wikitext2")):
        offered = page.locator(f"datalist option[value='{value}']").first
        expect(offered).to_be_attached()
        list_id = offered.evaluate("one => one.parentElement.id")
        expect(page.get_by_label(label, exact=True)).to_have_attribute("list", list_id)


def test_a_trigger_is_made_from_a_sample_payload_with_six_clicks(
    api_tabs: Session, api: Api
) -> None:
    page = api_tabs.open("/")
    clicks = Clicks(page)
    payload = {"event": "pushed", "repository": {"model": "local:tiny"}}

    clicks.on("link", "Triggers")
    clicks.at(page.get_by_text("Anything that can POST", exact=True))
    page.get_by_label("Sample payload").fill(json.dumps(payload))
    page.get_by_label("Job", exact=True).fill('{"sparsity": 0.5, "dataset": "local:text.txt"}')
    page.get_by_label("Field filled by /repository/model").select_option("model")
    clicks.at(page.get_by_label("Require /event"))
    clicks.on("button", "Create trigger")
    expect(page.get_by_text("The secret, shown only once")).to_be_visible()
    clicks.on("button", "Test")
    expect(page.get_by_text("The call would start a job.")).to_be_visible()
    expect(page.locator(".facts")).to_contain_text("local:tiny")
    assert clicks.count <= 6
    page.set_viewport_size({"width": 390, "height": 800})
    assert overflow(page) == 0

    secret = page.get_by_role("region", name="secret", exact=True).inner_text().strip()
    found = httpx.get(f"{api.url}/v1/triggers").json()["data"][0]
    assert (found["filter"], found["map"]) == (
        {"/event": "pushed"},
        {"model": "/repository/model"},
    )
    for body in (payload, payload | {"event": "deleted"}):
        sent = json.dumps(body).encode()
        call(api, found | {"secret": secret}, sent)
    page.get_by_role("link", name="Its page, with the calls that it receives").click()
    calls = page.get_by_role("list", name="Calls, newest first")
    expect(calls.locator(".pill")).to_have_text(["ignored", "submitted"])
    expect(calls).to_contain_text("/event does not match the filter")


def call(api: Api, trigger: dict[str, str], body: bytes) -> None:
    headers = proof(trigger, body) | {"content-type": "application/json"}
    address = f"{api.url}{trigger['hook']}"
    httpx.post(address, content=body, headers=headers, timeout=60).raise_for_status()
