"""The commands about folders, which need no service."""

import io
import json
import subprocess
from pathlib import Path

import pytest
import torch
from rich.console import Console
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner, Result

from tests.zpruner.files.compact_files import write_compact
from zpruner.cli.commands import programs
from zpruner.cli.commands.main import app as main
from zpruner.cli.display import bytes_display
from zpruner.cli.folders import app
from zpruner.parts.programs import command

NAMES = ("model.layers.0.mlp.up_proj.weight", "model.layers.1.mlp.up_proj.weight")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model whose two matrices hold 2:4, beside embeddings that do not."""
    sparse = torch.tensor([0.0, 1, 0, 2]).repeat(64, 16)
    tensors = {name: sparse.clone() for name in NAMES} | {"embed.weight": torch.ones(8, 8)}
    (tmp_path / "model").mkdir()
    save_file(tensors, tmp_path / "model" / "model.safetensors")
    return tmp_path / "model"


def run(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def break_one_group(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    tensors[NAMES[1]][5, 8:12] = 1
    save_file(tensors, folder / "model.safetensors")


def test_a_compact_folder_is_expanded(folder: Path, tmp_path: Path) -> None:
    content = (folder / "model.safetensors").read_bytes()
    (tmp_path / "small").mkdir()
    small = write_compact(tmp_path / "small" / "model.compact.safetensors", content)
    done = run("expand", tmp_path / "small", tmp_path / "again", "--json")
    assert (done.exit_code, done.stderr) == (0, "")
    assert (tmp_path / "again" / "model.safetensors").read_bytes() == content
    sizes = json.loads(done.stdout)
    assert (sizes["size_bytes"], sizes["source_size_bytes"]) == (len(content), len(small))


def test_the_command_that_wrote_compact_folders_names_what_has_replaced_it(folder: Path) -> None:
    result = CliRunner().invoke(main, ["compact", str(folder), "small", "--json"])
    assert (result.exit_code, result.stdout) == (2, "")
    assert "tar --zstd -cf" in result.stderr
    assert "zpruner expand still restores" in result.stderr


def test_a_folder_that_cannot_be_used_is_refused_with_the_reason(
    folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    for words in (("expand", tmp_path / "lost", out), ("expand", folder, out), ("certify", out)):
        result = run(*words)
        assert (result.exit_code, result.stdout) == (2, "")
        assert "; name " in result.stderr


def test_the_exit_code_says_whether_the_named_pattern_holds(folder: Path) -> None:
    held = run("certify", folder, "--pattern", "2:4")
    assert held.exit_code == 0
    assert [line.split("\t") for line in held.stdout.splitlines()] == [
        ["2:4", "holds", "2 of 2"],
        ["1:2", "holds", "2 of 2"],
        ["4:8", "holds", "2 of 2"],
    ]
    break_one_group(folder)
    failed = run("certify", folder, "--pattern", "2:4")
    assert failed.exit_code == 1
    assert "2:4\tdoes not hold\t1 of 2" in failed.stdout
    assert f"2:4 does not hold in {NAMES[1]}: 1 of 1,024 groups" in failed.stderr
    assert run("certify", folder).exit_code == 0
    assert run("certify", folder, "--pattern", "2:4", "--matrix", NAMES[0]).exit_code == 0


def test_a_certificate_as_json_has_the_broken_matrices(folder: Path) -> None:
    break_one_group(folder)
    result = run("certify", folder, "--pattern", "2:4", "--json")
    found = json.loads(result.stdout)
    assert (result.exit_code, found["matrices"]) == (1, 2)
    assert found["patterns"]["2:4"] == {
        "holds": False,
        "broken": [{"tensor": NAMES[1], "groups": 1024, "broken": 1}],
    }


def test_the_report_of_a_job_names_the_matrices(folder: Path) -> None:
    stated = {"matrices": ["embed.weight"], "transposed": []}
    (folder / "report.json").write_text(json.dumps({"certificate": stated}))
    result = run("certify", folder, "--pattern", "2:4")
    assert (result.exit_code, result.stderr) == (
        1,
        "2:4 does not hold in embed.weight: 16 of 16 groups\n",
    )


@pytest.mark.parametrize("words", [["--pattern", "4:2"], ["--matrix", "nothing"]])
def test_a_pattern_or_a_glob_that_cannot_be_used_is_refused(folder: Path, words: list[str]) -> None:
    result = run("certify", folder, *words)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "name " in result.stderr


def test_the_programs_start_with_numpy_alone(folder: Path) -> None:
    done = subprocess.run(
        command("certify", str(folder), "--pattern", "1:2"), capture_output=True, text=True
    )
    assert (done.returncode, done.stdout.split("\n")[0]) == (0, "1:2\tholds\t2 of 2")


def test_without_numpy_the_extra_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "FILES", ("numpy_of_nobody",))
    for name in ("expand", "certify"):
        result = CliRunner().invoke(main, [name, str(folder)])
        assert result.exit_code == 2
        assert "pip install 'zpruner[files]'" in result.stderr


def test_a_bar_shows_the_bytes_on_a_terminal_only() -> None:
    for is_terminal in (True, False):
        text = io.StringIO()
        with bytes_display(
            Console(file=text, force_terminal=is_terminal, width=100), "expanding", 4e6
        ) as advance:
            advance(4e6)
        assert ("expanding" in text.getvalue()) == is_terminal
        assert ("4.0/4.0 MB" in text.getvalue()) == is_terminal
