"""The pages of datasets and triggers; each task is done by keyboard, with its clicks counted."""

import json
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import expect

from tests.api.calls import proof
from tests.dashboard.browser import Session, overflow
from tests.dashboard.conftest import Api
from tests.dashboard.keyboard_task import KeyboardTask

pytestmark = pytest.mark.e2e


def test_a_dataset_is_uploaded_and_used_with_five_clicks(
    api_tabs: Session, api: Api, tmp_path: Path
) -> None:
    text = tmp_path / "tickets.txt"
    text.write_text("A sentence of a ticket. " * 2000)
    page = api_tabs.open("/")
    task = KeyboardTask(page)

    task.press(page.get_by_role("link", name="Datasets", exact=True))
    with page.expect_file_chooser() as chooser:
        task.press(page.get_by_label("Text file (.txt, .jsonl or .csv)"))
    chooser.value.set_files(text)
    expect(page.get_by_role("heading", level=1)).to_have_text("tickets.txt")
    expect(page.get_by_role("region", name="First lines")).to_contain_text("A sentence")
    expect(page.locator(".facts")).to_contain_text("about 12,000")
    task.press(page.get_by_role("link", name="Use in a job", exact=True))
    calibration = page.get_by_label("Calibration text", exact=True)
    expect(calibration).to_have_value("tickets.txt (uploaded)")
    expect(page.locator("p", has_text="48.0 kB")).to_be_visible()
    task.type(page.get_by_label("Model", exact=True), "local:tiny")
    task.type(page.get_by_label("Sparsity", exact=True), "50")
    task.press(page.get_by_role("button", name="Submit job", exact=True))

    expect(page.get_by_role("heading", level=1)).to_contain_text("tiny")
    assert task.clicks <= 5
    job = httpx.get(f"{api.url}/v1/jobs", timeout=60).json()["data"][0]
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
    task = KeyboardTask(page)
    payload = {"event": "pushed", "repository": {"model": "local:tiny"}}

    task.press(page.get_by_role("link", name="Triggers", exact=True))
    task.press(page.get_by_label("Anything that can POST", exact=True))
    task.type(page.get_by_label("Sample payload"), json.dumps(payload))
    task.type(
        page.get_by_label("Job", exact=True), '{"sparsity": 0.5, "dataset": "local:text.txt"}'
    )
    task.choose(page.get_by_label("Field filled by /repository/model"), "model")
    task.press(page.get_by_label("Require /event"))
    task.press(page.get_by_role("button", name="Create trigger", exact=True))
    expect(page.get_by_text("The secret, shown only once")).to_be_visible()
    assert task.clicks <= 6

    task.press(page.get_by_role("button", name="Test", exact=True))
    expect(page.get_by_text("The call would start a job.")).to_be_visible()
    expect(page.locator(".facts")).to_contain_text("local:tiny")
    page.set_viewport_size({"width": 390, "height": 800})
    assert overflow(page) == 0

    secret = page.get_by_role("region", name="secret", exact=True).inner_text().strip()
    found = httpx.get(f"{api.url}/v1/triggers", timeout=60).json()["data"][0]
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
