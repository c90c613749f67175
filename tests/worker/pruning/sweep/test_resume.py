"""Pruning runs that are killed, and the runs that resume them."""

import json
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.models import FAMILIES, MIXTURES, RECURRENT, write_model
from tests.worker.processes import run_until_killed
from tests.worker.pruning.experts.scaled import scale_matrices
from tests.worker.pruning.sweep.resuming import (
    ADAPT,
    AS_DENSE,
    BINARIZED,
    BLOCKS,
    CORRECTED,
    DEPTH,
    EVALUATION,
    EXPERTS,
    EXPERTS_OF_DENSE,
    EXPERTS_REFINED,
    HALF,
    IN_PLACE,
    MATRIX,
    NEURONS,
    OWL,
    PGP,
    QUANTIZED,
    REFINED,
    REFINED_QUANTIZED,
    SPARSEGPT,
    copy_state,
    finish,
    open_sweep,
    sweep_until,
    without_timing,
)
from worker.pruning.base.names import PROGRESS_FOLDER
from worker.pruning.methods import scores
from worker.pruning.methods.scorers import InputScorer
from worker.pruning.planning.workload import Propagation
from worker.pruning.sweep.recipe.recipe import Recipe
from worker.pruning.sweep.results import UnitProgress

EACH, MIDDLE = range(BLOCKS), (1,)
"""The blocks after which a run is killed: what a block leaves behind depends on its recipe, but the
end of a block is the same code for all."""
KNOWN = [1.0] * len(EVALUATION)
"""Losses of the dense model that a run is given."""


@pytest.fixture(scope="module")
def dense(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("model") / "dense", FAMILIES["llama"])


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Save the hidden states after every block."""
    monkeypatch.setattr("worker.pruning.sweep.progress._SNAPSHOT_EVERY_S", 0.0)
    monkeypatch.setattr("worker.pruning.sweep.progress._SNAPSHOT_COST", 0)


@pytest.mark.parametrize(
    ("recipe", "propagation", "killed_after"),
    [
        pytest.param(HALF, "fused", EACH, id="score fused"),
        pytest.param(HALF, "reference", MIDDLE, id="score reference"),
        pytest.param(CORRECTED, "fused", MIDDLE, id="sparsegpt fused"),
        pytest.param(CORRECTED, "reference", MIDDLE, id="sparsegpt reference"),
        pytest.param(OWL, "fused", MIDDLE, id="owl"),
        pytest.param(MATRIX, "reference", MIDDLE, id="matrix"),
        pytest.param(REFINED, "fused", MIDDLE, id="refined fused"),
        pytest.param(REFINED, "reference", EACH, id="refined reference"),
        pytest.param(NEURONS, "fused", MIDDLE, id="neurons"),
        pytest.param(AS_DENSE, "reference", EACH, id="neurons as in the dense model"),
        pytest.param(DEPTH, "fused", EACH, id="depth"),
        pytest.param(QUANTIZED, "fused", EACH, id="quantized"),
        pytest.param(BINARIZED, "fused", MIDDLE, id="binarized"),
        pytest.param(ADAPT, "fused", MIDDLE, id="adapt"),
        pytest.param(IN_PLACE, "reference", MIDDLE, id="adapt in place"),
        pytest.param(PGP, "fused", MIDDLE, id="pgp"),
        pytest.param(REFINED_QUANTIZED, "reference", MIDDLE, id="refined, quantized"),
    ],
)
def test_a_run_killed_between_blocks_resumes_with_the_same_bytes_and_results(
    dense: Path,
    tmp_path: Path,
    recipe: Recipe,
    propagation: Propagation,
    killed_after: Sequence[int],
) -> None:
    recipe, out = replace(recipe, propagation=propagation), tmp_path / "out"
    undisturbed = finish(
        open_sweep(dense, out, recipe), out, lambda i: copy_state(out, tmp_path / str(i))
    )
    for index in killed_after:
        left = tmp_path / str(index)
        again = open_sweep(dense, left, recipe)
        assert again.resumed_from_block == index + 1
        assert without_timing(finish(again, left)) == without_timing(undisturbed)


@pytest.mark.parametrize(
    ("recipe", "store"),
    [
        pytest.param(EXPERTS, lambda folder: folder, id="experts"),
        pytest.param(EXPERTS, scale_matrices, id="8-bit floats"),
        pytest.param(EXPERTS_OF_DENSE, lambda folder: folder, id="scored in the dense model"),
        pytest.param(EXPERTS_REFINED, lambda folder: folder, id="refined"),
    ],
)
def test_a_run_that_cuts_blocks_resumes_with_the_same_bytes_and_results(
    tmp_path: Path, recipe: Recipe, store: Callable[[Path], Path]
) -> None:
    dense, out = store(write_model(tmp_path / "dense", MIXTURES["qwen3-moe"])), tmp_path / "out"
    undisturbed = finish(
        open_sweep(dense, out, recipe), out, lambda i: copy_state(out, tmp_path / str(i))
    )
    for index in EACH:
        left = tmp_path / str(index)
        again = open_sweep(dense, left, recipe)
        assert again.resumed_from_block == index + 1
        assert without_timing(finish(again, left)) == without_timing(undisturbed)


@pytest.mark.parametrize("family", RECURRENT)
def test_a_layer_whose_weight_is_used_without_a_call_resumes_with_the_same_bytes(
    tmp_path: Path, family: str
) -> None:
    dense, out = write_model(tmp_path / "dense", RECURRENT[family]), tmp_path / "out"
    left = tmp_path / "1"
    undisturbed = finish(open_sweep(dense, out), out, lambda i: copy_state(out, tmp_path / str(i)))
    assert without_timing(finish(open_sweep(dense, left), left)) == without_timing(undisturbed)


@pytest.mark.parametrize(
    ("family", "held"),
    [
        ("llama", 1 << 20),
        *((f, 0) for f in ("llama", "opt-projected", "gemma3-hybrid", "gpt2-conv1d")),
    ],
)
@pytest.mark.usefixtures("often")
def test_saved_hidden_states_equal_those_computed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, family: str, held: int
) -> None:
    monkeypatch.setattr("worker.pruning.planning.plan._IN_MEMORY_BYTES", held)
    dense, out = write_model(tmp_path / "dense", FAMILIES[family]), tmp_path / "out"
    undisturbed = finish(
        open_sweep(dense, out, dtype=torch.bfloat16),
        out,
        lambda i: copy_state(out, tmp_path / str(i)),
    )
    shutil.copytree(tmp_path / "1", tmp_path / "bare")
    shutil.rmtree(tmp_path / "bare" / PROGRESS_FOLDER / "snapshot-2")
    for left in (tmp_path / "1", tmp_path / "bare"):
        again = open_sweep(dense, left, dtype=torch.bfloat16)
        assert without_timing(finish(again, left)) == without_timing(undisturbed)
        assert [path.name for path in (left / PROGRESS_FOLDER).iterdir()] == ["journal.jsonl"]


@pytest.mark.parametrize(("first", "second"), [(None, KNOWN), (KNOWN, None)])
@pytest.mark.usefixtures("often")
def test_a_run_measures_the_dense_loss_if_the_run_that_it_resumes_did(
    dense: Path, tmp_path: Path, first: Sequence[float] | None, second: Sequence[float] | None
) -> None:
    out = tmp_path / "out"
    undisturbed = finish(
        open_sweep(dense, out, dense_losses=first),
        out,
        lambda i: copy_state(out, tmp_path / str(i)),
    )
    for index in range(BLOCKS):
        left = tmp_path / str(index)
        again = open_sweep(dense, left, dense_losses=second)
        assert again.resumed_from_block == index + 1
        assert without_timing(finish(again, left)) == without_timing(undisturbed)


def test_a_run_killed_inside_a_block_prunes_that_block_again(dense: Path, tmp_path: Path) -> None:
    calls: list[int] = []
    out, left = tmp_path / "out", tmp_path / "left"

    def zpruner(weight: Tensor, sq_mean: Tensor) -> Tensor:
        calls.append(len(calls))
        if len(calls) == 10:  # the third of seven layers of the second block
            copy_state(out, left)
        return scores.zpruner(weight, sq_mean)

    recipe = replace(HALF, scorer=InputScorer("zpruner", zpruner, "matrix", 104))
    undisturbed = finish(open_sweep(dense, out, recipe), out)
    calls.append(10)
    again = open_sweep(dense, left, recipe)
    assert again.resumed_from_block == 1
    assert without_timing(finish(again, left)) == without_timing(undisturbed)


def test_a_run_killed_after_its_last_block_prunes_no_block_again(
    dense: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    undisturbed = finish(open_sweep(dense, out), out)
    again = open_sweep(dense, out)
    assert again.resumed_from_block == BLOCKS
    assert without_timing(finish(again, out)) == without_timing(undisturbed)


@pytest.mark.parametrize("torn", [b'{"sha256": "0', b"\0\0\0\0", b'{"record": 1}\n'])
def test_an_incomplete_line_of_the_log_is_ignored(dense: Path, tmp_path: Path, torn: bytes) -> None:
    out = tmp_path / "out"
    undisturbed = finish(open_sweep(dense, out), out, lambda i: copy_state(out, tmp_path / str(i)))
    journal = tmp_path / "1" / PROGRESS_FOLDER / "journal.jsonl"
    whole = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(whole[:-1]) + torn)
    again = open_sweep(dense, tmp_path / "1")
    assert again.resumed_from_block == 1
    assert without_timing(finish(again, tmp_path / "1")) == without_timing(undisturbed)


@pytest.mark.usefixtures("often")
def test_a_shard_with_a_flipped_bit_is_pruned_again(
    dense: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    out = tmp_path / "out"
    undisturbed = finish(open_sweep(dense, out), out)
    flip(out / "model-00002-of-00004.safetensors")
    again = open_sweep(dense, out)
    assert again.resumed_from_block == 1
    assert "model-00002-of-00004.safetensors is damaged" in caplog.text
    assert without_timing(finish(again, out)) == without_timing(undisturbed)


@pytest.mark.usefixtures("often")
def test_saved_hidden_states_with_a_flipped_bit_are_computed_again(
    dense: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    out, left = tmp_path / "out", tmp_path / "1"
    undisturbed = finish(open_sweep(dense, out), out, lambda i: copy_state(out, tmp_path / str(i)))
    flip(left / PROGRESS_FOLDER / "snapshot-2" / "calibration" / "0.bin")
    assert without_timing(finish(open_sweep(dense, left), left)) == without_timing(undisturbed)
    assert "snapshot-2 is damaged" in caplog.text


@pytest.mark.usefixtures("often")
def test_only_the_latest_snapshot_is_kept(dense: Path, tmp_path: Path) -> None:
    seen: list[list[str]] = []

    def record(_: int) -> None:
        folders = (tmp_path / "out" / PROGRESS_FOLDER).iterdir()
        seen.append([path.name for path in folders if path.is_dir()])

    finish(open_sweep(dense, tmp_path / "out"), tmp_path / "out", record)
    assert seen == [["snapshot-1"], ["snapshot-2"], ["snapshot-3"]]


def test_hidden_states_are_not_saved_in_the_first_minute(dense: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    finish(open_sweep(dense, out), out)
    assert "snapshot" not in (out / PROGRESS_FOLDER / "journal.jsonl").read_text()


def test_another_recipe_starts_over_and_logs_the_change(
    dense: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fresh = finish(open_sweep(dense, tmp_path / "fresh", OWL), tmp_path / "fresh")
    out = tmp_path / "out"
    blocks = open_sweep(dense, out).run()
    next(blocks)
    blocks.close()
    (out / "report.json").write_text("of the first")

    again = open_sweep(dense, out, OWL)

    assert again.resumed_from_block is None
    assert "starting over: recipe changed" in caplog.text
    assert not (out / "report.json").exists()
    assert without_timing(finish(again, out)) == without_timing(fresh)


def test_a_checkpoint_that_was_written_again_starts_over(
    dense: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    changing = shutil.copytree(dense, tmp_path / "dense")
    out = tmp_path / "out"
    blocks = open_sweep(changing, out).run()
    next(blocks)
    blocks.close()
    shard = max(changing.glob("*.safetensors"))
    before = shard.stat()
    flip(shard)
    os.utime(shard, ns=(before.st_atime_ns, before.st_mtime_ns))

    assert open_sweep(changing, out).resumed_from_block is None
    assert "starting over: weights changed" in caplog.text


def test_a_process_killed_with_signal_9_loses_no_finished_block(
    dense: Path, tmp_path: Path
) -> None:
    out, killed = tmp_path / "out", tmp_path / "killed"
    undisturbed = finish(open_sweep(dense, out, SPARSEGPT), out)
    run_until_killed(sweep_until, dense, killed, SPARSEGPT, {"index": 1})

    again = open_sweep(dense, killed, SPARSEGPT)

    assert again.resumed_from_block == 2
    assert without_timing(finish(again, killed)) == without_timing(undisturbed)


def test_a_process_killed_while_it_trains_a_block_loses_that_block_only(
    dense: Path, tmp_path: Path
) -> None:
    out, killed = tmp_path / "out", tmp_path / "killed"
    undisturbed = finish(open_sweep(dense, out, REFINED), out)
    run_until_killed(sweep_until, dense, killed, REFINED, {"block": 1, "step": 2})

    again = open_sweep(dense, killed, REFINED)

    assert again.resumed_from_block == 1
    assert without_timing(finish(again, killed)) == without_timing(undisturbed)


def test_a_process_killed_while_it_chooses_units_goes_on_from_the_last_recorded_step(
    dense: Path, tmp_path: Path
) -> None:
    out, killed = tmp_path / "out", tmp_path / "killed"
    undisturbed = finish(open_sweep(dense, out, PGP), out)
    run_until_killed(sweep_until, dense, killed, PGP, {"step": 18})

    again = open_sweep(dense, killed, PGP)

    assert again.resumed_from_block is None
    steps = [step.step for step in again.steps() if isinstance(step, UnitProgress)]
    assert steps == [17, 18, 19, 20]
    assert without_timing(finish(open_sweep(dense, killed, PGP), killed))[2] == undisturbed.shards


def test_the_log_has_the_sha256_of_each_shard(dense: Path, tmp_path: Path) -> None:
    run = finish(open_sweep(dense, tmp_path / "out"), tmp_path / "out")
    lines = (tmp_path / "out" / PROGRESS_FOLDER / "journal.jsonl").read_text().splitlines()
    records = [json.loads(json.loads(line)["record"]) for line in lines]
    written = {one["shard"]["name"]: one["shard"]["sha256"] for one in records if "shard" in one}
    assert len(written) == BLOCKS
    assert written.items() <= run.shards.items()


def flip(path: Path) -> None:
    """Flip the last bit of a file."""
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
