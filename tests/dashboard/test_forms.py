"""The forms of a job and a sweep, on an API without workers: nothing runs."""

import re
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.dashboard.browser import NARROW, Session, session
from tests.dashboard.conftest import Api
from tests.e2e.embedded import Service
from zpruner import Client

pytestmark = pytest.mark.e2e


def fill_minimal(page: Page, sparsity: str) -> None:
    page.get_by_label("Model", exact=True).fill("local:tiny")
    page.get_by_label("Calibration text", exact=True).fill("local:text.txt")
    page.get_by_label("Sparsity", exact=True).fill(sparsity)


def bound(page: Page, number: int, limit: str) -> None:
    page.get_by_role("button", name="Add a bound").click()
    page.get_by_label(f"Limit of bound {number}").fill(limit)


def newest(url: str, path: str = "/v1/jobs") -> dict[str, object]:
    found: dict[str, object] = httpx.get(f"{url}{path}", timeout=60).json()["data"][0]
    return found


def test_a_job_has_the_gate_the_deadline_and_the_labels_of_its_form(
    api_tabs: Session, api: Api
) -> None:
    page = api_tabs.open("/new")
    fill_minimal(page, "50 %")
    bound(page, 1, "1.1")
    bound(page, 2, "50")
    page.get_by_role("heading", name="Queue and deadline").click()
    page.get_by_label("Queue", exact=True).select_option("gpu")
    page.get_by_label("Priority").fill("3")
    page.get_by_label("Deadline").fill("2030-01-05T18:00")
    page.get_by_role("heading", name="Name and labels").click()
    page.get_by_label("Labels").fill("team=nlp")
    expect(page.get_by_role("heading", name="Would be accepted")).to_be_visible()
    api_tabs.complaints.clear()  # the browser itself notes every refused preview
    page.get_by_role("button", name="Submit job").click()

    expect(page.get_by_role("heading", level=1)).to_contain_text("tiny")
    job = newest(api.url)
    limits = {"max": {"perplexity_ratio": 1.1}, "min": {"sparsity": 0.5}}
    assert job["gate"] == limits | {"confidence": None}
    assert (job["priority"], job["labels"], job["queue"]) == (3, {"team": "nlp"}, "gpu")
    deadline = datetime.fromisoformat(str(job["deadline"]))
    assert deadline == datetime(2030, 1, 5, 18).astimezone(UTC)
    assert job["spec"]["sparsity"] == 0.5  # type: ignore[index] # JSON


def test_a_preset_shows_its_method_and_is_overridden_beside_it(api_tabs: Session) -> None:
    page = api_tabs.open("/new")
    fill_minimal(page, "50")
    page.get_by_label("Preset", exact=True).select_option("best")
    methods = page.get_by_role("group", name="Method")
    expect(methods.get_by_label("ADMM")).to_be_checked()
    expect(page.get_by_label("Recovery by preset best")).to_have_value("masked")
    command = page.get_by_role("region", name="curl command")
    expect(command).to_contain_text('"preset":"best"')
    expect(command).not_to_contain_text("method")

    methods.get_by_text("Z-Pruner", exact=True).click()
    expect(command).to_contain_text('"method":"zpruner"')
    page.get_by_text("All fields, including defaults").click()
    fields = page.locator(".preview .facts")
    expect(fields).to_contain_text("Methodzpruner")
    expect(fields).to_contain_text("Allocationowl")


def test_the_form_of_a_method_has_its_fields_alone_and_names_of_uploads(
    api_tabs: Session, api: Api, tmp_path: Path
) -> None:
    text = tmp_path / "our texts.txt"
    text.write_text("A sentence of a text. " * 4000)
    with Client(api.url) as client:
        uploaded = client.datasets.upload(text).dataset
    page = api_tabs.open("/new")
    expect(page.get_by_label("Preset", exact=True)).to_have_value("balanced")
    expect(page.get_by_role("option", name="balanced (recommended)")).to_be_attached()
    expect(page.get_by_label("Ratio", exact=True)).to_have_count(0)
    page.get_by_label("Model", exact=True).fill("local:tiny")
    calibration = page.get_by_label("Calibration text", exact=True)
    calibration.fill("our texts.txt (uploaded)")
    page.get_by_text("Neurons", exact=True).click()
    expect(page.get_by_label("Sparsity", exact=True)).to_have_count(0)
    expect(page.get_by_label("Solver", exact=True)).to_have_count(0)
    page.get_by_label("Ratio", exact=True).fill("25 %")
    page.get_by_role("heading", name="Evaluation").click()
    page.get_by_label("Generate text", exact=True).check()
    page.get_by_label("Prompts", exact=True).fill("Once, in a village")
    expect(calibration).to_have_value("our texts.txt (uploaded)")
    expect(page.get_by_role("heading", name="Would be accepted")).to_be_visible()
    expect(page.get_by_text("None", exact=True)).to_have_count(0)
    page.get_by_role("button", name="Submit job").click()

    expect(page.get_by_role("heading", level=1)).to_contain_text("tiny")
    spec = newest(api.url)["spec"]
    assert isinstance(spec, dict)
    chosen = ("dataset", "method", "ratio", "sparsity", "preset", "generate", "prompts")
    assert {name: spec[name] for name in chosen} == {
        "dataset": uploaded,
        "method": "neurons",
        "ratio": 0.25,
        "sparsity": 0.0,
        "preset": "balanced",
        "generate": True,
        "prompts": ["Once, in a village"],
    }


def test_on_a_phone_the_form_keeps_the_estimate_and_submit_in_view(
    browser: Browser, service: Service
) -> None:
    with session(browser, service.url, size=NARROW) as tabs:
        page = tabs.open("/new")
        fill_minimal(page, "50 %")
        page.get_by_label("Preset", exact=True).select_option("fast")
        bar = page.locator(".submit-bar")
        expect(bar).to_contain_text(re.compile(r"About .*, \d.* of memory"))
        page.evaluate("scrollTo(0, 0)")
        expect(bar.get_by_role("button", name="Submit job")).to_be_in_viewport(ratio=1)
        expect(page.get_by_label("Model", exact=True)).to_be_in_viewport()


def test_a_sweep_has_the_gate_of_its_form(api_tabs: Session, api: Api) -> None:
    page = api_tabs.open("/sweeps/new")
    fill_minimal(page, "40, 50, 60 %")
    bound(page, 1, "1.1")
    page.get_by_role("heading", name="Queue and deadline").click()
    page.get_by_label("Priority").fill("-2")
    expect(page.get_by_role("heading", name="3 jobs would be accepted")).to_be_visible()
    page.get_by_role("button", name="Submit sweep").click()

    expect(page.get_by_role("heading", level=1)).to_contain_text("Sweep")
    sweep = newest(api.url, "/v1/sweeps")
    jobs = httpx.get(f"{api.url}/v1/jobs?sweep={sweep['id']}", timeout=60).json()["data"]
    assert sorted(one["spec"]["sparsity"] for one in jobs) == [0.4, 0.5, 0.6]
    assert {one["priority"] for one in jobs} == {-2}
    gate = {"max": {"perplexity_ratio": 1.1}, "min": {}, "confidence": None}
    assert all(one["gate"] == gate for one in jobs)
