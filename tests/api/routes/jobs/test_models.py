"""The models that a form suggests."""

from pathlib import Path

from fastapi.testclient import TestClient

from db.core.session import Sessions
from tests.factories import make_job, make_spec


def make_folder(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")


def test_local_models_and_those_of_the_newest_jobs_are_listed_once(
    client: TestClient, roots: Path, sessions: Sessions
) -> None:
    make_folder(roots / "tiny")
    make_folder(roots / "tiny" / "nested")
    make_folder(roots / "team" / "large")
    make_folder(roots / ".hidden")
    (roots / "team" / "text.txt").write_text("no model")
    for model in ("org/first", "local:tiny", "org/second", "org/first", f"org/{'x' * 300}"):
        make_job(sessions, spec=make_spec(model=model))

    found = client.get("/v1/models").json()["data"]

    assert [(one["kind"], one["model"]) for one in found] == [
        ("used", "org/first"),
        ("used", "org/second"),
        ("local", "local:team/large"),
        ("local", "local:tiny"),
    ]
