"""A job compares the model that it writes with the dense one on each of its texts."""

import json
from pathlib import Path
from typing import Any

import pytest

from db.core.errors import SpecRefusedError
from db.core.states import Phase
from db.spec.options.evaluation import TEXT_METRICS
from db.spec.prune_spec import PruneSpec
from db.spec.quality_gate import Gate, judge
from tests.worker.evaluation.models import write_model_and_tokenizer
from tests.worker.jobs.announced import require_announced
from worker.evaluation import distance
from worker.jobs.progress import JobProgress, JobResult
from worker.jobs.prune import prune
from worker.jobs.resources import Resources
from worker.pruning.base.generators import run_to_end

FOX = "The quick brown fox number {} jumps over the lazy dog.\n"
TURTLE = "A slow green turtle sleeps below tree {} of the park.\n"
SWEPT: list[dict[str, Any]] = [
    {"method": "wanda", "solver": "sparsegpt"},
    {"quantize": {"scheme": "w4a16", "group_size": 8}},
    {"method": "neurons", "ratio": 0.3, "sparsity": 0.0},
    {"steps": 2},
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_model_and_tokenizer(tmp_path / "model")
    for name, line in (("fox", FOX), ("turtle", TURTLE)):
        (tmp_path / f"{name}.txt").write_text("".join(line.format(n) for n in range(99)))
    return tmp_path


def spec(folder: Path, **fields: Any) -> PruneSpec:
    own = {"model": f"local:{folder / 'model'}", "dataset": f"local:{folder / 'fox.txt'}"}
    small = {"sparsity": 0.5, "samples": 4, "eval_samples": 3, "seq_len": 32, "method": "magnitude"}
    return PruneSpec.model_validate(own | small | fields)


def run(spec: PruneSpec, out: Path) -> JobResult:
    out.mkdir(exist_ok=True)
    steps: list[JobProgress] = []
    result = run_to_end(prune(spec, out, Resources(device="cpu")), steps.append)
    assert [one.fraction for one in steps] == sorted(one.fraction for one in steps)
    return result


def test_each_text_has_its_figures_and_the_first_those_of_the_evaluation(folder: Path) -> None:
    other = f"local:{folder}/turtle.txt"
    asked = spec(folder, eval_texts=[other])

    metrics = run(asked, folder / "out").metrics

    require_announced(asked, metrics)
    assert list(metrics["kl"]) == [asked.dataset, other]
    assert metrics["text_ratio"][asked.dataset] == pytest.approx(metrics["perplexity_ratio"])
    assert metrics["text_perplexity"][asked.dataset] == pytest.approx(metrics["pruned_perplexity"])
    assert 0 < metrics["kl"][other] != metrics["kl"][asked.dataset] > 0
    rows = json.loads((folder / "out" / "report.json").read_text())["texts"]
    assert [row["protocol"]["windows"] for row in rows] == [3, 3]
    assert rows[1]["overlap"] < rows[0]["overlap"]
    assert f"on `{other}` the perplexity is" in (folder / "out" / "README.md").read_text()


def test_a_gate_bounds_the_figures_of_a_text_with_their_intervals(folder: Path) -> None:
    metrics = run(asked := spec(folder), folder / "out").metrics
    name, kl = f"kl.{asked.dataset}", metrics["kl"][asked.dataset]
    assert judge(Gate(max={name: kl * 0.99}), metrics) == "fail"
    assert judge(Gate(max={name: kl * 0.99}, confidence=0.95), metrics) == "pass"
    assert judge(Gate(max={"worst_kl": kl}), metrics) == "pass"


def test_the_model_that_is_compared_is_the_recovered_one(folder: Path) -> None:
    trained = {"kind": "masked", "tokens": 512, "lr": 1e-3}
    metrics = run(spec(folder, recover=trained), folder / "out").metrics
    assert metrics["recovery"]["kept_start"] is False
    ratio = metrics["text_ratio"][spec(folder).dataset]
    assert ratio == pytest.approx(metrics["perplexity_ratio"], rel=1e-6)


def test_nothing_is_further_away_where_no_weight_is_pruned(folder: Path) -> None:
    asked = spec(folder, method="none", sparsity=0.0, eval_dataset=f"local:{folder}/turtle.txt")
    metrics = run(asked, folder / "out").metrics
    assert (metrics["worst_kl"], metrics["worst_ratio"], metrics["worst_agreement"]) == (0, 1, 1)


@pytest.mark.parametrize("fields", SWEPT, ids=[*map(" ".join, SWEPT)])
def test_the_sweep_finds_the_distances_of_the_model_that_is_written(
    fields: dict[str, Any], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = spec(folder, **fields)
    by_sweep = run(asked, folder / "out").metrics
    monkeypatch.setattr("worker.jobs.sweep.compares_in_sweep", lambda *_: False)
    afterwards = run(asked, folder / "again").metrics
    assert by_sweep["worst_kl"] > 0
    for name in TEXT_METRICS:
        assert by_sweep[name] == pytest.approx(afterwards[name], rel=1e-3, abs=1e-6), name


def test_texts_that_an_interrupted_job_has_measured_are_not_measured_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = (folder / "turtle.txt").read_text()
    (folder / "other.txt").write_text(lines.replace("turtle", "tortoise"))
    texts = [f"local:{folder}/{name}.txt" for name in ("turtle", "other")]
    asked, measured = spec(folder, eval_texts=texts), list[int]()
    compare = distance.window_distances

    def counted(*arguments: Any) -> Any:
        measured.append(1)
        return compare(*arguments)

    monkeypatch.setattr("worker.jobs.stages.texts.comparison.window_distances", counted)
    (folder / "out").mkdir()
    steps = prune(asked, folder / "out", Resources(device="cpu"))
    for step in steps:
        if step.phase is Phase.packaging:
            break
    steps.close()
    assert len(measured) == 1  # both texts together, and none that the sweep has measured
    resumed = run(asked, folder / "out")
    assert len(measured) == 1
    assert resumed.metrics["kl"] == run(asked, folder / "again").metrics["kl"]


def test_texts_have_the_same_figures_beside_others_of_the_same_and_of_other_lengths(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    turtle = (folder / "turtle.txt").read_text()
    for name, text in {"copy": turtle, "upper": turtle.upper()}.items():
        (folder / f"{name}.txt").write_text(text)
    copy, upper, halved = (f"local:{folder}/{name}.txt" for name in ("copy", "upper", "turtle"))
    place = "eval_texts.0"

    def length_of(_: Any, length: int, *rest: Any) -> int:
        return length // 2 if rest[-1] == place else length

    monkeypatch.setattr("worker.jobs.stages.texts.reading.evaluation_length", length_of)
    apart = run(spec(folder, eval_texts=[halved, upper]), folder / "apart").metrics["kl"]
    place = "eval_texts.1"
    beside = run(spec(folder, eval_texts=[copy, halved, upper]), folder / "beside").metrics["kl"]
    assert list(beside)[1:] == [copy, halved, upper]
    assert beside[halved] == apart[halved]
    assert beside[upper] == pytest.approx(apart[upper], rel=1e-4)
    assert len({*beside.values()}) == 4
    assert beside[copy] != pytest.approx(beside[upper], rel=1e-2)


@pytest.mark.parametrize(
    ("text", "fields", "reason"),
    [
        ("short.txt", {}, "has 6 tokens, a window has 32"),
        ("fox copy.txt", {"recover": {"kind": "masked", "tokens": 512}}, "learns from"),
        ("none.txt", {}, "no such file"),
    ],
)
def test_a_text_that_cannot_be_used_is_refused_with_its_place(
    text: str, fields: dict[str, Any], reason: str, folder: Path
) -> None:
    (folder / "short.txt").write_text("Short.")
    (folder / "fox copy.txt").write_bytes((folder / "fox.txt").read_bytes())
    texts = [f"local:{folder}/turtle.txt", f"local:{folder}/{text}"]
    with pytest.raises(SpecRefusedError, match=reason) as refused:
        run(spec(folder, eval_texts=texts, **fields), folder / "out")
    assert refused.value.field == "eval_texts.1"
