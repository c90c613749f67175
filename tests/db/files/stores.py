"""What tests of both stores share."""

from pathlib import Path

from db.files.artifact_store import ArtifactStore
from db.tables.artifacts import Artifact

JOB = "job_0192"


def staged(store: ArtifactStore, attempt: int = 1, text: str = "{}") -> Path:
    folder = store.stage(JOB, attempt)
    (folder / "model").mkdir()
    (folder / "model" / "config.json").write_text(text)
    (folder / "model" / "model.safetensors").write_bytes(b"\0" * 1000)
    return folder


def row(name: str, attempt: int = 1, job_id: str = JOB) -> Artifact:
    return Artifact(id="art_0", job_id=job_id, attempt=attempt, name=name)
