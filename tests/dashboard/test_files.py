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
from zpruner.files.zstd import zstd

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


def test_all_files_are_downloaded_compressed(keyed: Session, api: Api, tmp_path: Path) -> None:
    patterns = {"matrices": 1, "held": ["2:4", "4:8"], "requested": "2:4", "broken": 0}
    metrics = {"sparsity": 0.7, "patterns": patterns}
    job = finish(api.sessions, api.store, make_job(api.sessions).id, FILES, metrics)
    page = keyed.open(f"/jobs/{job.id}")

    expect(page.get_by_text("2:4 holds in the one matrix")).to_be_visible()
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download compressed (tar.zst)").click()

    assert waiting.value.url.endswith("&format=zstd")
    assert waiting.value.suggested_filename == f"{job.id}.tar.zst"
    waiting.value.save_as(tmp_path / "all.tar.zst")
    with (
        zstd.open(tmp_path / "all.tar.zst") as content,
        tarfile.open(fileobj=content, mode="r|") as archive,
    ):
        assert set(archive.getnames()) == {f"{job.id}/{name}" for name in (*FILES, "SHA256SUMS")}


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
