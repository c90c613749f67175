"""Commands against the real application: what programs and terminals read, and further options."""

import fcntl
import json
import os
import pty
import struct
import subprocess
import sys
import termios
from contextlib import suppress
from importlib.metadata import version
from math import prod
from pathlib import Path
from typing import Any, get_args

import pytest
from typer.testing import CliRunner

from api.schemas.sweep_request import Varied
from db.tables.jobs import Job
from tests.factories import make_job, make_spec
from tests.zpruner.live import Live
from zpruner import Client
from zpruner.cli.commands.main import app
from zpruner.cli.text_table import Table

MODEL = "an-organisation-with-a-long-name/a-model-with-an-even-longer-name-1.5B"
SUBMIT = ("org/model", "--dataset", "wikitext2")


@pytest.fixture(scope="module")
def job(live: Live) -> Job:
    return make_job(live.sessions, make_spec(model=MODEL), labels={"suite": "pipes"})


def on_terminal(live: Live, columns: int, *words: str) -> list[str]:
    """Return the lines that a command prints on a terminal of this width."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environment = {**os.environ, "ZPRUNER_URL": live.url}
    environment.pop("COLUMNS", None)
    command = [sys.executable, "-m", "zpruner", *words]
    subprocess.run(command, stdout=theirs, stdin=theirs, env=environment, check=True)
    os.close(theirs)
    pieces = list[bytes]()
    with os.fdopen(ours, "rb", buffering=0) as terminal, suppress(OSError):  # EIO is its end
        while piece := terminal.read(100_000):
            pieces.append(piece)
    return b"".join(pieces).decode().splitlines()


def test_a_pipe_receives_whole_values_separated_by_tabs(live: Live, job: Job) -> None:
    result = live.run("ls", "-q", MODEL, "--limit", "1")

    (row,) = result.stdout.splitlines()
    assert row.split("\t")[:5] == [job.id, "queued", "0%", MODEL, "0.5"]


def test_a_narrow_terminal_cuts_names_but_never_an_id(live: Live, job: Job) -> None:
    header, row = on_terminal(live, 80, "ls", "-q", MODEL)

    assert header.split()[:2] == ["id", "status"]
    assert row.startswith(f"{job.id}  queued  ")
    assert "…" in row
    assert len(row) <= 80


def test_a_cell_never_contains_tabs_or_line_breaks() -> None:
    table = Table("id", "name")
    table.add_row("job_1", "two\nlines\tand a tab")
    table.add_row("job_2", None)

    assert list(table.tabbed()) == ["job_1\ttwo lines and a tab", "job_2\t"]
    assert list(table.aligned(16)) == ["id     name", "job_1  two line…", "job_2"]


def test_compared_jobs_keep_their_ids_in_a_pipe(live: Live, job: Job) -> None:
    other = make_job(live.sessions)

    rows = [line.split("\t") for line in live.run("compare", job.id, other.id).stdout.splitlines()]

    assert rows[0] == ["job", job.id, other.id]
    assert ["model", MODEL, "org/model"] in rows


def test_every_command_has_a_short_help_option_and_the_version_is_printed() -> None:
    for words in (["-h"], ["ls", "-h"], ["keys", "create", "-h"]):
        result = CliRunner().invoke(app, words)
        assert (result.exit_code, "Usage: " in result.stdout) == (0, True)
    assert CliRunner().invoke(app, ["--version"]).stdout == f"zpruner {version('zpruner')}\n"


def test_a_shell_completes_commands() -> None:
    completion = {
        "_ZPRUNER_COMPLETE": "complete_bash",
        "COMP_WORDS": "zpruner down",
        "COMP_CWORD": "1",
    }
    program = Path(sys.executable).with_name("zpruner")

    done = subprocess.run(
        [program], env={**os.environ, **completion}, capture_output=True, text=True, check=True
    )

    assert done.stdout.split() == ["download"]


def test_labels_are_set_by_submit_and_name_labels_and_priority_by_edit(live: Live) -> None:
    labels = ("--label", "team=search", "--label", "why=a=b")
    job_id = live.run("submit", *SUBMIT, "--sparsity", "0.5", *labels).stdout.strip()
    with Client(live.url) as client:
        assert client.jobs.get(job_id).labels == {"team": "search", "why": "a=b"}

        changes = ("--name", "nightly", "--label", "run=7", "--remove-label", "why")
        edited = live.run("edit", job_id, *changes, "--priority", "5", "--json")
        job = client.jobs.get(job_id)
        assert json.loads(edited.stdout)["name"] == job.name == "nightly"
        assert (job.labels, job.priority) == ({"team": "search", "run": "7"}, 5)

        live.run("edit", job_id, "--name", "")
        job = client.jobs.get(job_id)
        assert (job.name, job.labels, job.priority) == (None, {"team": "search", "run": "7"}, 5)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("edit", "job_1"), "nothing to change"),
        (("edit", "job_1", "--label", "team"), "team is not name=value"),
        (("submit", *SUBMIT, "--sparsity", "0.5", "--label", "=x"), "=x is not name=value"),
        (("sweep", *SUBMIT, "--allocation", "[0.4"), "[0.4 is no list in JSON"),
        (("sweep", *SUBMIT, "--skip", "[[]]", "--skip", "a"), "put all values into one list"),
    ],
)
def test_a_wrong_option_is_refused_before_anything_is_sent(
    live: Live, words: tuple[str, ...], text: str
) -> None:
    result = live.run(*words)

    assert result.exit_code == 2
    assert text in " ".join(result.stderr.replace("│", " ").split())


def test_a_sweep_varies_each_field_that_the_service_can_vary(live: Live) -> None:
    varied: dict[str, tuple[str, list[Any]]] = {
        "sparsity": ("0.4,0.5", [0.4, 0.5]),
        "method": ("zpruner,ria", ["zpruner", "ria"]),
        "solver": ("sparsegpt,alps", ["sparsegpt", "alps"]),
        "scope": ("matrix,null", ["matrix", None]),
        "allocation": ("uniform,owl:0.1", ["uniform", {"name": "owl", "spread": 0.1}]),
        "correction": ("0,0.3", [0.0, 0.3]),
        "skip": ('[[], ["*.o_proj"]]', [[], ["*.o_proj"]]),
        "damping": ("0.1", [0.1]),
        "refine": ("true", [True]),
        "recover": ("spp", ["spp"]),
        "quantize": ("null", [None]),
        "rotate": ("null", [None]),
        "binarize": ("null", [None]),
        "ratio": ("null", [None]),
        "experts": ("null", [None]),
        "target": ("null", [None]),
        "steps": ("2", [2]),
        "preset": ("best", ["best"]),
        "propagation": ("fused", ["fused"]),
        "pattern": ("null", [None]),
        "variant": ("null", [None]),
    }
    assert varied.keys() == set(get_args(Varied))
    written = (f"--{name}={text}" for name, (text, _) in varied.items())

    result = live.run("sweep", *SUBMIT, *written, "--detach", "--json", "--label", "a=b")

    points = json.loads(result.stdout)["points"]
    assert len(points) == prod(len(values) for _, values in varied.values())
    for name, (_, values) in varied.items():
        found = [point["varied"][name] for point in points]
        assert all(value in found for value in values), name
        assert all(value in values for value in found), name
    with Client(live.url) as client:
        assert client.jobs.get(points[0]["job_id"]).labels == {"a": "b"}
