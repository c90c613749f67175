"""What a person does all day, on the real service with a real worker."""

import hashlib
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.dashboard.browser import LONG, Session, wait_until_shown, watch
from tests.dashboard.keyboard_task import KeyboardTask
from tests.e2e.embedded import is_in_the_middle, submit, until
from tests.waiting import DEADLINE_S
from zpruner import Client

pytestmark = pytest.mark.e2e


def fill(page: Page, **fields: str) -> None:
    for label, text in fields.items():
        page.get_by_label(label.replace("_", " "), exact=True).fill(text)


def job_id(page: Page) -> str:
    expect(page).to_have_url(re.compile(r"/jobs/job_[0-9a-f]{32}$"))
    return page.url.rpartition("/")[2]


def expect_status(page: Page, status: str) -> None:
    pill = page.get_by_role("heading", level=1).locator(".pill")
    expect(pill).to_have_text(status, timeout=1000 * DEADLINE_S)


def test_a_job_submitted_from_the_form_is_followed_to_its_end_without_a_reload(
    tabs: Session, client: Client
) -> None:
    page = tabs.open("/new")
    fill(page, Model="local:slow", Calibration_text="local:text.txt", Sparsity="0.6")
    page.get_by_label("Preset", exact=True).select_option("fast")
    expect(page.get_by_role("group", name="Method").get_by_label("Wanda")).to_be_checked()
    expect(page.get_by_text("at 60 % it reached perplexity")).to_be_visible()
    page.get_by_role("heading", name="Calibration", exact=True).click()
    fill(page, Calibration_windows="16", Tokens_per_window="64")
    page.get_by_role("heading", name="Evaluation", exact=True).click()
    fill(page, Evaluation_windows="4")
    expect(page.get_by_role("heading", name="Would be accepted")).to_be_visible()
    loads = tabs.count("/new")
    page.get_by_role("button", name="Submit job").click()

    spec = client.jobs.get(job_id(page)).spec
    assert spec["method"] == "wanda"
    assert (spec["samples"], spec["seq_len"], spec["eval_samples"]) == (16, 64, 4)
    # The service's first job waits for its worker to load torch.
    expect(page.get_by_role("slider", name="Blocks")).to_be_visible(timeout=1000 * DEADLINE_S)
    expect_status(page, "succeeded")
    expect(page.get_by_role("list", name="Perplexity, dense and pruned")).to_be_visible()
    expect(page.get_by_text("16 of 16", exact=True)).to_be_visible()
    page.get_by_text("7 matrices", exact=True).click()
    page.get_by_role("button", name="mlp.down_proj.weight").click()
    weights = page.get_by_role("slider", name="Weights of mlp.down_proj.weight")
    expect(weights).to_have_attribute("aria-valuetext", "40 points")
    page.get_by_text("Error by matrix", exact=True).click()
    expect(page.get_by_role("slider", name="Error by block and matrix")).to_be_visible()
    documents = [url for url in tabs.requests if re.search(r"/(new|jobs/job_[0-9a-f]+)$", url)]
    assert [url for url in documents if "/v1/" not in url and not url.endswith("/new")] == []
    assert tabs.count("/new") == loads


def test_a_refused_field_says_what_to_change_beside_itself(tabs: Session) -> None:
    page = tabs.open("/new")
    fill(page, Model="local:nowhere", Calibration_text="local:text.txt", Sparsity="1.5")

    expect(page.get_by_role("heading", name="Would be refused")).to_be_visible()
    sparsity = page.get_by_label("Sparsity", exact=True)
    expect(sparsity).to_have_attribute("aria-invalid", "true")
    expect(sparsity).to_have_accessible_description(re.compile("Use a value below 1"))
    sparsity.fill("0.5")
    expect(page.get_by_label("Model", exact=True)).to_have_attribute("aria-invalid", "true")
    tabs.complaints.clear()  # the browser itself notes every refused preview


def test_a_cancelled_job_stops(tabs: Session, client: Client) -> None:
    job = submit(client, "slow", samples=LONG)
    until(client, job.id, is_in_the_middle)
    page = tabs.open(f"/jobs/{job.id}")

    page.get_by_role("button", name="Cancel", exact=True).click()
    page.get_by_role("button", name="Cancel the job").click()

    expect_status(page, "cancelled")
    assert client.jobs.get(job.id).status == "cancelled"
    page.get_by_role("button", name="Retry").click()
    expect(page.get_by_role("heading", level=1).locator(".pill")).to_have_text(
        re.compile("queued|running")
    )
    client.jobs.cancel(job.id)
    expect_status(page, "cancelled")


def test_a_rerun_with_one_change_differs_in_that_alone_and_is_compared(
    tabs: Session, client: Client
) -> None:
    options = {"samples": 4, "skip": ["*.o_proj"], "seed": 7, "solver": "sparsegpt"}
    first = client.jobs.wait(submit(client, "tiny", **options).id, timeout_s=DEADLINE_S)
    page = tabs.open(f"/jobs/{first.id}")

    page.get_by_role("link", name="Rerun with changes").click()
    page.get_by_label("Sparsity was", exact=False).or_(
        page.get_by_label("Sparsity", exact=True)
    ).fill("0.6")
    expect(page.get_by_text("was 0.5")).to_be_visible()
    expect(page.get_by_role("heading", name="Would be accepted")).to_be_visible()
    page.get_by_role("button", name="Submit rerun").click()

    expect(page).not_to_have_url(re.compile(first.id))
    second = client.jobs.wait(job_id(page), timeout_s=DEADLINE_S)
    before, after = raw_spec(client, first.id), raw_spec(client, second.id)
    assert {name for name in before if before[name] != after[name]} == {"sparsity"}
    assert after["sparsity"] == 0.6
    assert second.parent_id == first.id

    page.get_by_role("link", name="Compare with original").click()
    table = page.get_by_role("region", name="Configurations of the jobs")
    expect(table.get_by_role("rowheader")).to_have_text(["Sparsity"])
    expect(page.get_by_role("region", name="Metrics of the jobs")).to_contain_text("Perplexity")


def raw_spec(client: Client, job_id: str) -> dict[str, object]:
    spec = client.jobs.get(job_id).spec
    return dict(spec if isinstance(spec, dict) else spec.model_dump())


def test_files_are_downloaded_and_verified(
    tabs: Session, client: Client, four: list[str], tmp_path: Path
) -> None:
    files = client.jobs.artifacts(four[0])
    config = next(one for one in files if one.name.endswith("config.json"))
    page = tabs.open(f"/jobs/{four[0]}")

    with page.expect_download() as waiting:
        page.get_by_role("button", name=f"Download {config.name}").click()
    waiting.value.save_as(tmp_path / "file")
    assert hashlib.sha256((tmp_path / "file").read_bytes()).hexdigest() == config.sha256

    verify = page.get_by_role("button", name=f"Verify {config.name}", exact=True)
    # A place is announced only if it is there before it says anything.
    places = page.get_by_role("listitem").filter(has=verify).get_by_role("status")
    expect(places).to_have_text(["", ""])
    verify.click()
    expect(places).to_have_text(["", "✓ sha256 matches"])
    tabs.context.grant_permissions(["clipboard-read", "clipboard-write"])
    watch(places.first)  # which says it for two seconds
    page.get_by_role("button", name=f"Copy sha256 of {config.name}", exact=True).click()
    wait_until_shown(page, lambda text: text == "Copied")


def test_many_jobs_are_cancelled_together(tabs: Session, client: Client) -> None:
    blocker = submit(client, "slow", samples=LONG)
    jobs = [submit(client, "tiny", name=f"bulk {n}") for n in range(3)]
    page = tabs.open("/?q=bulk")

    for n in range(3):
        page.get_by_label(f"Select bulk {n}").check()
    page.get_by_role("button", name="Cancel 3").click()
    assert {client.jobs.get(job.id).status for job in jobs} == {"queued"}
    page.get_by_role("button", name="Cancel the jobs").click()

    expect(page.locator(".job-row .pill.is-cancelled")).to_have_count(3)
    assert {client.jobs.get(job.id).status for job in jobs} == {"cancelled"}
    client.jobs.cancel(blocker.id)
    client.jobs.wait(blocker.id, timeout_s=DEADLINE_S)


@pytest.mark.usefixtures("four")
def test_filters_live_in_the_address(tabs: Session) -> None:
    page = tabs.open("/")

    page.get_by_role("searchbox").fill("one of 3")
    expect(page.locator(".job-row")).to_have_count(1)
    page.get_by_role("checkbox", name=re.compile("^succeeded")).check()
    expect(page).to_have_url(re.compile(r"\?status=succeeded&q=one\+of\+3$"))

    again = tabs.open(page.url)
    expect(again.locator(".job-row")).to_have_count(1)
    expect(again.get_by_role("searchbox")).to_have_value("one of 3")


def test_a_job_can_be_submitted_by_keyboard_alone(tabs: Session, client: Client) -> None:
    page = tabs.open("/")
    expect(page.get_by_role("heading", name="Jobs")).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    keyboard = KeyboardTask(page)
    keyboard.press(page.get_by_role("banner").get_by_role("link", name="New job"))
    expect(page.get_by_role("heading", name="New job")).to_be_focused()
    inputs = {"Model": "local:tiny", "Calibration text": "local:text.txt", "Sparsity": "50"}
    for label, text in inputs.items():
        keyboard.type(page.get_by_label(label, exact=True), text)
    expect(page.get_by_role("heading", name="Would be accepted")).to_be_visible()

    page.keyboard.press("Enter")

    client.jobs.cancel(job_id(page))
