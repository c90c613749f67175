"""Finished files are damaged at many places: no damaged byte is ever served as a whole file."""

import os
import random
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import update

from api.app import create_app
from api.core.settings import ApiSettings
from db.core.clock import now
from db.core.session import Sessions
from db.files.sealed_folder import identity_of
from db.tables.artifacts import Artifact
from tests.api.work import finish_job
from tests.chaos.programs import World
from tests.chaos.tally import Tally
from tests.fakes import ListQueue
from worker.control.scrub import Scrub

pytestmark = pytest.mark.chaos

CONTENT = random.Random(1).randbytes(70_000)
FILES = {"model.safetensors": CONTENT, "other.safetensors": CONTENT[::-1]}
Damage = Callable[[Path], None]


def flip(at: int, bit: int = 0) -> Damage:
    def act(path: Path) -> None:
        with path.open("r+b") as file:
            file.seek(at)
            file.write(bytes([CONTENT[at] ^ 1 << bit]))

    return act


def flip_unseen(at: int) -> Damage:
    """Flip a bit and put the old times back, as a clumsy tool or an attacker would."""

    def act(path: Path) -> None:
        before = path.stat()
        flip(at)(path)
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    return act


def write(content: bytes) -> Damage:
    def act(path: Path) -> None:
        path.write_bytes(content)

    return act


def swap_files(path: Path) -> None:
    other = path.with_name("other.safetensors")
    spare = path.with_name("spare")
    for source, target in ((path, spare), (other, path), (spare, other)):
        source.rename(target)


def swapped(first: int, second: int, length: int = 512) -> bytes:
    content = bytearray(CONTENT)
    content[first : first + length] = CONTENT[second : second + length]
    content[second : second + length] = CONTENT[first : first + length]
    return bytes(content)


END = len(CONTENT)
DAMAGES: list[tuple[str, Damage]] = [
    *(("bit flipped", flip(at, at % 8)) for at in (0, 1, 4095, 4096, 8191, 35_000, END - 1)),
    *(("bit flipped, times kept", flip_unseen(at)) for at in (7, 4097, END - 2)),
    *(("truncated", write(CONTENT[:size])) for size in (0, 1, 4096, END // 2, END - 1)),
    *(("extended", write(CONTENT + more)) for more in (b"\0", bytes(4096))),
    *(("parts swapped", write(swapped(*at))) for at in ((0, 512), (4096, 65_536), (1, 60_001))),
    *(
        ("page of zeros", write(CONTENT[:at] + bytes(4096) + CONTENT[at + 4096 :]))
        for at in (0, 32_768, 65_536)
    ),
    ("files swapped", swap_files),
    ("file deleted", Path.unlink),
]


@pytest.fixture
def world(tmp_path: Path, database_url: str) -> World:
    return World(database_url, tmp_path)


@pytest.fixture
def client(world: World) -> Iterator[TestClient]:
    app = create_app(world.settings(ApiSettings), ListQueue())
    with TestClient(app, base_url="http://127.0.0.1") as client:
        yield client


def restore(folder: Path) -> None:
    for name, content in FILES.items():
        (folder / name).write_bytes(content)


def served(client: TestClient, job_id: str, file: dict[str, Any]) -> list[str]:
    """Return in which ways a damaged file still came out."""
    asked = {
        "whole": client.get(file["url"]),
        "head": client.head(file["url"]),
        "range": client.get(file["url"], headers={"range": "bytes=9-99"}),
        "archive": client.get(f"/v1/jobs/{job_id}/archive"),
    }
    wrong = [f"{way} is {answer.status_code}" for way, answer in asked.items()
             if answer.status_code != 410]  # fmt: skip
    return wrong + [
        f"{way} says {asked[way].json()['code']}"
        for way in ("whole", "range", "archive")
        if asked[way].is_error and asked[way].json()["code"] != "artifact_damaged"
    ]


def listed(client: TestClient, job_id: str) -> dict[str, Any]:
    files = client.get(f"/v1/jobs/{job_id}/artifacts").json()["data"]
    found: dict[str, Any] = next(one for one in files if one["name"] == "model.safetensors")
    return found


def test_a_damaged_file_is_not_served_until_it_is_restored(
    world: World, sessions: Sessions, client: TestClient, tally: Tally
) -> None:
    job = finish_job(sessions, world.store, FILES)
    folder = world.data / "artifacts" / job.id / "1"
    path, file = folder / "model.safetensors", listed(client, job.id)
    assert client.get(file["url"]).content == CONTENT
    for kind, damage in DAMAGES:
        damage(path)
        found = served(client, job.id, file)
        found += [] if listed(client, job.id)["damage"] else ["it is not listed as damaged"]
        restore(folder)
        if client.get(file["url"]).content != CONTENT:
            found.append("the restored file does not come back")
        if listed(client, job.id)["damage"]:
            found.append("the restored file is listed as damaged")
        tally.fault(f"file damaged: {kind}")
        tally.check(f"file damaged: {kind}", found)
    assert tally.violations == []


def test_damage_that_changes_no_time_is_found_by_the_scrub(
    world: World, sessions: Sessions, client: TestClient, tally: Tally
) -> None:
    clock = iter(range(0, 1_000_000, 100))
    scrub = Scrub(
        sessions,
        world.store,
        every=timedelta(days=7),
        bytes_per_s=1 << 20,
        clock=lambda: float(next(clock)),
    )
    job = finish_job(sessions, world.store, FILES)
    folder = world.data / "artifacts" / job.id / "1"
    path, file = folder / "model.safetensors", listed(client, job.id)
    for kind, damage in DAMAGES:
        damage(path)
        with sessions.begin() as session:  # nothing reports a damaged disk, and a week passes
            values: dict[str, Any] = {"checked_at": now(-timedelta(days=8))}
            if path.exists():
                values |= {"checked_as": identity_of(path.stat())}
            session.execute(update(Artifact).where(Artifact.id == file["id"]).values(**values))
        ended = 0
        while ended == 0:
            ended = scrub.step()
        found = served(client, job.id, file)
        restore(folder)
        if client.get(file["url"]).content != CONTENT:
            found.append("the restored file does not come back")
        tally.fault(f"disk rots: {kind}")
        tally.check(f"disk rots: {kind}", found)
    assert tally.violations == []
