"""Gradual jobs, from the request to the folder that is published."""

import json
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import AutoModelForCausalLM

from db.core.errors import SpecRefusedError
from db.core.states import Phase
from db.spec.prune_spec import PruneSpec
from db.spec.quality_gate import Gate
from tests.models import FAMILIES, random_ids, write_model
from tests.worker.jobs.announced import require_announced
from tests.worker.jobs.killed_job import run_killed
from tests.worker.pruning.sweeps import tensors
from worker.jobs.progress import JobProgress, JobResult
from worker.jobs.prune import prune
from worker.jobs.resources import Resources
from worker.pruning.base.generators import run_to_end
from worker.pruning.base.names import STEPS_FOLDER
from worker.pruning.structure.smaller_config import CONFIG

WANDA: dict[str, Any] = {"method": "wanda", "sparsity": 0.6}
NEURONS: dict[str, Any] = {"method": "neurons", "ratio": 0.3}
RECOVER = {"kind": "masked", "tokens": 512, "lr": 1e-3}
CHANGED = {"refine": {"steps": 4, "tokens": 512}, "recover": RECOVER}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("gradual")
    write_model(folder / "dense", FAMILIES["llama"])
    texts = {"text": random_ids(60, 16, seed=1), "eval": likely_ids(folder / "dense")}
    for name, ids in texts.items():
        rows = "".join(json.dumps({"input_ids": row}) + "\n" for row in ids.tolist())
        (folder / f"{name}.jsonl").write_text(rows)
    return folder


def likely_ids(model: Path) -> Tensor:
    """Return text ``[windows, tokens]`` that a model finds likely; pruning makes it less so."""
    decoder, ids = AutoModelForCausalLM.from_pretrained(model).eval(), random_ids(8, 2, seed=2)
    with torch.no_grad():
        while ids.shape[1] < 16:
            ids = torch.cat([ids, decoder(ids).logits[:, -1:].argmax(-1)], dim=1)
    return ids


def work(
    folder: Path,
    out: Path,
    gate: Gate | None = None,
    model: Path | None = None,
    devices: int = 1,
    **fields: Any,
) -> Generator[JobProgress, None, JobResult]:
    out.mkdir(exist_ok=True)
    spec = spec_of(folder, model, **fields)
    return prune(spec, out, Resources(device="cpu", devices=devices, gate=gate))


def spec_of(folder: Path, model: Path | None = None, **fields: Any) -> PruneSpec:
    texts = {"dataset": "text.jsonl", "eval_dataset": "eval.jsonl"}
    own = {name: str(folder / file) for name, file in texts.items()}
    own["model"] = str(model or folder / "dense")
    return PruneSpec.model_validate(own | {"samples": 40, "dtype": "float32"} | fields)


def run(
    folder: Path,
    out: Path,
    each: Callable[[JobProgress], object] = lambda _: None,
    **fields: Any,
) -> dict[str, Any]:
    return run_to_end(work(folder, out, **fields), each).metrics


def weights(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in out.glob("*.safetensors")}


def untimed(steps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: one for name, one in step.items() if name != "seconds"} for step in steps]


def test_a_gradual_job_writes_what_one_job_after_another_would(
    folder: Path, tmp_path: Path
) -> None:
    metrics = run(folder, tmp_path / "out", steps=3, **WANDA)
    model: Path | None = None
    chained: list[dict[str, Any]] = []
    for number in (1, 2, 3):
        fields = WANDA | {"sparsity": 0.6 * number / 3}
        chained.append(run(folder, tmp_path / str(number), model=model, **fields))
        model = tmp_path / str(number)
    assert weights(tmp_path / "out") == weights(tmp_path / "3")
    names = ("sparsity", "zeros", "pruned_perplexity")
    assert [[step[name] for name in names] for step in metrics["steps"]] == [
        [one[name] for name in names] for one in chained
    ]
    assert metrics["dense_perplexity"] == chained[0]["dense_perplexity"]
    assert metrics["pruned_perplexity"] == metrics["steps"][-1]["pruned_perplexity"]
    assert (metrics["kept_step"], metrics["stopped_at_step"]) == (3, None)
    require_announced(spec_of(folder, steps=3, **WANDA), metrics)


def test_one_step_is_a_job_without_steps(folder: Path, tmp_path: Path) -> None:
    metrics = run(folder, tmp_path / "one", steps=1, **WANDA)
    require_announced(spec_of(folder, steps=1, **WANDA), metrics)
    run(folder, tmp_path / "none", **WANDA)
    assert weights(tmp_path / "one") == weights(tmp_path / "none")
    assert "steps" not in metrics


@pytest.mark.parametrize("fields", [WANDA, NEURONS])
def test_steps_are_refined_and_recovered_and_keep_what_is_removed(
    folder: Path, tmp_path: Path, fields: dict[str, Any]
) -> None:
    seen: list[JobProgress] = []
    metrics = run(folder, tmp_path / "out", seen.append, steps=2, **fields, **CHANGED)
    results = [one.step_result for one in seen if one.step_result is not None]
    assert results == metrics["steps"]
    assert [one["step"] for one in results] == [1, 2]
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["metrics"]["steps"] == results
    assert report["recovery"]["settings"]["tokens"] == 256  # half of the windows in each step
    assert metrics["recovery"]["tokens"] == 512
    assert metrics["recovery"]["steps"] == 2 * report["recovery"]["plan"]["steps"]
    assert {one.step for one in seen if one.phase is Phase.recovering} == {(1, 2), (2, 2)}
    fractions = [one.fraction for one in seen]
    assert fractions == pytest.approx(sorted(fractions))
    card = (tmp_path / "out" / "README.md").read_text()
    assert "- pruned in 2 steps, each of which continued the one before" in card
    assert "steps on 512 tokens" in card
    assert f"| 2 | {100 * results[1]['sparsity']:.2f} % | {results[1]['parameters']:,} |" in card
    if fields is NEURONS:
        assert json.loads((tmp_path / "out" / CONFIG).read_text())["intermediate_size"] == 24
        assert results[1]["parameters"] < results[0]["parameters"]
        return
    assert metrics["sparsity"] == pytest.approx(0.6, abs=0.02)
    named = tensors(tmp_path / "out").items()
    found = [one for name, one in named if ".layers." in name]
    assert sum(int((one == 0).sum()) for one in found) == metrics["zeros"]
    assert not any(bool(torch.signbit(one[one == 0]).any()) for one in found)


@pytest.mark.parametrize(
    ("fields", "step", "phase"),
    [
        (WANDA | CHANGED, 1, Phase.recovering),
        (WANDA | CHANGED, 2, Phase.pruning),
        (WANDA | CHANGED, 2, Phase.recovering),
        (NEURONS, 2, Phase.pruning),
        (NEURONS, None, Phase.packaging),
    ],
)
def test_a_job_killed_in_any_step_ends_with_the_same_bytes(
    folder: Path, tmp_path: Path, fields: dict[str, Any], step: int | None, phase: Phase
) -> None:
    whole = run(folder, tmp_path / "whole", steps=2, **fields)
    kill(folder, tmp_path / "out", step, phase, **fields)
    seen: list[JobProgress] = []
    resumed = run(folder, tmp_path / "out", seen.append, steps=2, **fields)
    assert weights(tmp_path / "out") == weights(tmp_path / "whole")
    assert untimed(resumed["steps"]) == untimed(whole["steps"])
    assert {one.step for one in seen if one.step} == {
        (number, 2) for number in range(step or 3, 3)
    }  # finished steps are not made again


def kill(folder: Path, out: Path, step: int | None, phase: Phase, **fields: Any) -> None:
    """Run a job of two steps that is killed at its second progress in a phase of a step."""
    out.mkdir()
    spec = spec_of(folder, steps=2, **fields)
    run_killed(spec, out, phase, step=None if step is None else (step, 2))


def test_at_most_two_models_are_kept_beside_the_result(folder: Path, tmp_path: Path) -> None:
    most = 0

    def count(_: JobProgress) -> None:
        nonlocal most
        folders = [one for one in (tmp_path / "out").glob(f"{STEPS_FOLDER}/*/") if weights(one)]
        most = max(most, len(folders))

    run(folder, tmp_path / "out", count, steps=4, **WANDA)
    assert most == 2


def test_a_gate_ends_a_job_with_the_last_good_model(folder: Path, tmp_path: Path) -> None:
    whole = run(folder, tmp_path / "whole", steps=3, **WANDA)
    ratios = [step["perplexity_ratio"] for step in whole["steps"]]
    assert ratios[0] < ratios[1]
    gate = Gate.model_validate(
        {"max": {"perplexity_ratio": ratios[0]}, "min": {"sparsity": 0.5, "coverage": 0.9}}
    )
    seen: list[JobProgress] = []
    metrics = run(folder, tmp_path / "out", seen.append, gate=gate, steps=3, **WANDA)

    run(folder, tmp_path / "first", **WANDA | {"sparsity": 0.6 / 3})
    assert weights(tmp_path / "out") == weights(tmp_path / "first")
    assert (metrics["kept_step"], metrics["stopped_at_step"]) == (1, 2)
    first, second = metrics["steps"]
    assert (first["gate_failures"], metrics["perplexity_ratio"]) == ([], ratios[0])
    (failure,) = second["gate_failures"]
    assert failure.startswith(f"perplexity_ratio is {ratios[1]:g}, wanted at most")
    reported = [one for one in seen if one.report is not None][-3:]
    assert [one.step for one in reported] == [(1, 3)] * 3  # the blocks of the kept model
    statement = json.loads((tmp_path / "out" / "provenance.json").read_text())
    made = statement["predicate"]["buildDefinition"]["internalParameters"]
    assert made["gate"] == gate.model_dump(mode="json")
    card = (tmp_path / "out" / "README.md").read_text()
    assert "**Warning**: The gate stopped the job at step 2 of 3: perplexity ratio is" in card
    assert "This is the model of step 1." in card


def test_a_first_step_that_fails_the_gate_is_the_result(folder: Path, tmp_path: Path) -> None:
    gate = Gate.model_validate({"max": {"pruned_perplexity": 1.0}})
    metrics = run(folder, tmp_path / "out", gate=gate, steps=3, **NEURONS)
    assert (metrics["kept_step"], metrics["stopped_at_step"]) == (1, 1)
    assert len(metrics["steps"]) == 1
    assert json.loads((tmp_path / "out" / CONFIG).read_text())["intermediate_size"] == 40


@pytest.mark.usefixtures("forked_ranks")
def test_two_devices_make_the_steps_of_one(folder: Path, tmp_path: Path) -> None:
    run(folder, tmp_path / "one", steps=2, **WANDA)
    run(folder, tmp_path / "two", devices=2, steps=2, **WANDA)
    one, two = tensors(tmp_path / "one"), tensors(tmp_path / "two")
    assert one.keys() == two.keys()
    same = [((one[name] != 0) == (two[name] != 0)).flatten() for name in one]
    assert torch.cat(same).double().mean() >= 0.9999


def test_a_damaged_model_of_the_last_step_is_made_again(folder: Path, tmp_path: Path) -> None:
    run(folder, tmp_path / "whole", steps=2, **WANDA)
    kill(folder, tmp_path / "out", 2, Phase.pruning, **WANDA)
    (first, *_) = sorted((tmp_path / "out" / STEPS_FOLDER / "1").glob("*.safetensors"))
    first.write_bytes(first.read_bytes()[:-1] + b"x")
    run(folder, tmp_path / "out", steps=2, **WANDA)
    assert weights(tmp_path / "out") == weights(tmp_path / "whole")


def test_a_recovery_with_fewer_windows_than_steps_is_refused(folder: Path, tmp_path: Path) -> None:
    recover = RECOVER | {"tokens": 48}
    with pytest.raises(SpecRefusedError, match="3 windows, and each step takes one") as caught:
        run(folder, tmp_path / "out", steps=4, recover=recover, **WANDA)
    assert caught.value.field == "steps"
