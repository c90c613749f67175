"""A job's files: downloaded, shared and verified, with an API key in the browser."""

import tarfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, expect

from db.files.artifacts import ArtifactRepository
from db.tables.access import AccessScope
from tests.api.work import FILES, finish, finish_job
from tests.dashboard.browser import Session, session
from tests.dashboard.conftest import Api
from tests.dashboard.keyboard_task import KeyboardTask
from tests.factories import make_job, make_key
from tests.zpruner.files.safetensors_files import random_content, write_safetensors

pytestmark = pytest.mark.e2e


@pytest.fixture
def keyed(browser: Browser, api: Api) -> Iterator[Session]:
    """A browser that has stored a key."""
    _, token = make_key(api.sessions, AccessScope.jobs_read, AccessScope.artifacts_read)
    stored = {"name": "zpruner.key", "value": token}
    state = {"cookies": [], "origins": [{"origin": api.url, "localStorage": [stored]}]}
    with session(browser, api.url, storage_state=state) as tabs:
        yield tabs


def test_with_a_key_all_files_are_downloaded_by_a_link(
    keyed: Session, api: Api, tmp_path: Path
) -> None:
    job = finish_job(api.sessions, api.store)
    page = keyed.open(f"/jobs/{job.id}")

    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download all (tar)").click()

    url = waiting.value.url
    assert url.startswith(f"{api.url}/v1/jobs/{job.id}/archive?expires=")
    assert "key=" in url
    waiting.value.save_as(tmp_path / "all.tar")
    with tarfile.open(tmp_path / "all.tar") as archive:
        assert {f"{job.id}/{name}" for name in FILES} <= set(archive.getnames())


def test_all_files_are_downloaded_without_zeros_and_the_page_says_how_much_smaller_they_are(
    keyed: Session, api: Api, tmp_path: Path
) -> None:
    weights = write_safetensors(
        tmp_path / "weights", {"weight": random_content("BF16", (100, 100), 0.7)}
    )
    patterns = {"matrices": 1, "held": ["2:4", "4:8"], "requested": "2:4", "broken": 0}
    metrics = {"sparsity": 0.7, "compact_size_bytes": 7_500, "patterns": patterns}
    files = {"model.safetensors": weights, "config.json": b"{}"}
    job = finish(api.sessions, api.store, make_job(api.sessions).id, files, metrics)
    page = keyed.open(f"/jobs/{job.id}")

    expect(page.get_by_text("7.5 kB of weights instead of 20.1 kB.")).to_be_visible()
    expect(page.get_by_text("2:4 holds in the one matrix")).to_be_visible()
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download compact (tar)").click()

    assert waiting.value.url.endswith("&format=compact")
    assert waiting.value.suggested_filename == f"{job.id}.compact.tar"
    waiting.value.save_as(tmp_path / "all.tar")
    with tarfile.open(tmp_path / "all.tar") as archive:
        names = {"model.compact.safetensors", "config.json", "SHA256SUMS"}
        assert set(archive.getnames()) == {f"{job.id}/{name}" for name in names}


def test_a_compact_download_is_not_offered_where_it_would_be_larger(
    keyed: Session, api: Api
) -> None:
    files = {"model.safetensors": b"weights", "config.json": b"{}"}
    metrics = {"compact_size_bytes": 8}
    job = finish(api.sessions, api.store, make_job(api.sessions).id, files, metrics)
    page = keyed.open(f"/jobs/{job.id}")

    expect(page.get_by_role("button", name="Download all (tar)")).to_be_visible()
    expect(page.get_by_role("button", name="Download compact (tar)")).to_have_count(0)


def test_a_file_is_shared_by_one_click(keyed: Session, api: Api) -> None:
    job = finish_job(api.sessions, api.store)
    keyed.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = keyed.open(f"/jobs/{job.id}")

    task = KeyboardTask(page)
    task.press(page.get_by_role("button", name="Share model/config.json"))
    assert task.clicks <= 2

    expect(page.get_by_text("The link is copied.")).to_contain_text("can download")
    url = page.evaluate("navigator.clipboard.readText()")
    assert url.startswith(f"{api.url}/v1/artifacts/")
    assert httpx.get(url, timeout=60).content == FILES["model/config.json"]
    expect(page.get_by_role("region", name="link to model/config.json")).to_have_text(url)


def test_all_files_are_verified_by_one_click(keyed: Session, api: Api) -> None:
    job = finish_job(api.sessions, api.store)
    page = keyed.open(f"/jobs/{job.id}")

    page.get_by_role("button", name="Verify all").click()

    with api.sessions() as reading:
        count = len(ArtifactRepository(reading).of_job(job.id))
    expect(page.get_by_text(f"✓ {count} of {count} files match")).to_be_visible()
    expect(page.get_by_text("✓ sha256 matches")).to_have_count(count)
