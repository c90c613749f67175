"""Datasets and links, with client and command line against the real API."""

import io
import json
import tarfile
import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner, Result

from api.app import create_app
from api.core.settings import ApiSettings
from db.core.session import Sessions
from db.files.file_store import FileStore
from tests.api.live import serving
from tests.api.work import FILES, finish_job
from tests.factories import make_job, make_key, make_spec
from tests.fakes import ListQueue
from zpruner import Client, ProblemError
from zpruner.cli.commands.main import app

TEXT = b"a text\n" * 400_000


@pytest.fixture
def settings(tmp_path: Path, database_url: str) -> ApiSettings:
    fields = {"data_dir": tmp_path, "database_url": database_url, "auth": "keys"}
    limits = {"rate_limit_per_minute": 600, "rate_limit_burst": 2}
    return ApiSettings.model_validate({"_env_file": None} | fields | limits)


@pytest.fixture
def url(settings: ApiSettings) -> Iterator[str]:
    """The URL of a service that requires keys and limits the rate of requests."""
    with serving(create_app(settings, ListQueue())) as url:
        yield url


@pytest.fixture
def key(sessions: Sessions) -> str:
    return make_key(sessions)[1]


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "corpus.txt"
    path.write_bytes(TEXT)
    return path


def run(url: str, key: str, *words: str) -> Result:
    env = {"ZPRUNER_URL": url, "ZPRUNER_API_KEY": key}
    return CliRunner(env=env).invoke(app, list(words))


def test_a_client_uploads_lists_gets_and_deletes(
    url: str, key: str, text: Path, tmp_path: Path
) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"text": "one"}\n')
    with Client(url, key) as client:
        made, of_rows = client.datasets.upload(text), client.datasets.upload(rows, name="r")
        assert (made.name, made.size_bytes) == ("corpus.txt", len(TEXT))
        assert made.sha256 == sha256(TEXT).hexdigest()
        assert (of_rows.name, of_rows.media_type) == ("r", "application/jsonl")
        # Some of these exceed the rate limit and are sent again from the beginning.
        assert {client.datasets.upload(text).id for _ in range(4)} == {made.id}
        listed = client.datasets.list()
        assert [one for one in listed if one.kind == "uploaded"] == [of_rows, made]
        assert {one.joiner for one in listed if one.kind == "builtin"} == {" ", "\n\n"}
        assert made.id is not None
        found = client.datasets.get(made.id)
        assert found == client.datasets.get(made.dataset)
        assert found.model_dump().items() > made.model_dump().items()  # with the jobs that use it
        client.datasets.delete(made.dataset)
        with pytest.raises(ProblemError, match=made.id):
            client.datasets.get(made.id)


def test_the_command_line_uploads_lists_and_deletes(
    url: str, key: str, text: Path, sessions: Sessions
) -> None:
    uploaded = run(url, key, "datasets", "upload", str(text), "--name", "my text")
    assert uploaded.exit_code == 0, uploaded.stderr
    name = uploaded.stdout.removesuffix("\n")
    assert name.startswith("uploaded:dat_")
    listed = run(url, key, "datasets", "ls").stdout
    assert "my text" in listed
    assert "wikitext2" in listed
    assert json.loads(run(url, key, "datasets", "ls", "--json").stdout)[-1]["dataset"] == name
    job = make_job(sessions, make_spec(dataset=name))
    used = run(url, key, "datasets", "rm", name)
    assert used.exit_code == 2
    assert job.id in used.stderr
    assert run(url, key, "cancel", job.id).exit_code == 0
    assert run(url, key, "datasets", "rm", name).exit_code == 0
    assert run(url, key, "datasets", "rm", name).exit_code == 7


def test_an_unusable_file_ends_with_exit_code_2(url: str, key: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_text('{"text": "one"}\nnonsense\n')
    refused = run(url, key, "datasets", "upload", str(path))
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "line 2 is not JSON" in refused.stderr
    assert run(url, key, "datasets", "upload", str(tmp_path / "none.txt")).exit_code == 2


@pytest.mark.parametrize(
    ("name", "content", "exit_code", "text"),
    [
        ("a.csv", b"id,text\n1,a\n", 0, "uploaded:dat_"),
        ("a.tsv", b"id\ttext\n1\ta\n", 2, "text/csv"),
        ("a.parquet", b"PAR1", 2, "Parquet"),
    ],
)
def test_a_table_is_uploaded_as_such_or_refused_but_never_read_as_text(
    url: str, key: str, tmp_path: Path, name: str, content: bytes, exit_code: int, text: str
) -> None:
    (tmp_path / name).write_bytes(content)
    result = run(url, key, "datasets", "upload", str(tmp_path / name))
    assert (result.exit_code, text in result.output) == (exit_code, True), result.output


def downloaded(url: str) -> bytes:
    """Download without a key, as slowly as the rate limit of these tests asks for."""
    while (response := httpx.get(url, timeout=60)).status_code == 429:
        time.sleep(float(response.headers["retry-after"]))
    return response.raise_for_status().content


def test_a_link_is_the_absolute_url_of_a_file_or_of_all_files(
    url: str, key: str, sessions: Sessions, settings: ApiSettings
) -> None:
    job = finish_job(sessions, FileStore(settings.artifact_dir))
    with Client(url, key) as client:
        artifact = next(one for one in client.jobs.artifacts(job.id) if one.name == "report.json")
        link = client.jobs.link(artifact.id, expires_in_s=60)
        archive = client.jobs.archive_link(job.id)
    assert link.url.startswith(url)
    assert downloaded(link.url) == FILES["report.json"]
    with tarfile.open(fileobj=io.BytesIO(downloaded(archive.url))) as files:
        assert {name.partition("/")[2] for name in files.getnames()} >= set(FILES)


def test_models_are_those_that_a_job_can_read_and_those_of_jobs(
    url: str, key: str, sessions: Sessions, settings: ApiSettings
) -> None:
    job = finish_job(sessions, FileStore(settings.artifact_dir))
    with Client(url, key) as client:
        assert {(one.model, one.kind) for one in client.models()} == {(job.spec.model, "used")}
