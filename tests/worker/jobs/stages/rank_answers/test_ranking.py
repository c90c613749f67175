"""A job ranks the answers of both of its models, once for the same weights."""

import json
from pathlib import Path
from typing import Any

import pytest

from db.core.errors import SpecRefusedError
from db.core.states import Phase
from db.spec.options.rank_answers import RANKING_METRICS
from db.spec.prune_spec import PruneSpec
from db.spec.quality_gate import metric_value
from tests.models import FAMILIES, random_ids, write_model
from tests.worker.evaluation.models import write_model_and_tokenizer
from tests.worker.jobs.announced import require_announced_in
from worker.jobs.prune import prune
from worker.jobs.resources import Resources
from worker.jobs.stages.generate import TOKENS
from worker.jobs.stages.rank_answers.results import MeasuredRanking, ModelRanking
from worker.pruning.base.generators import run_to_end

ASKED = {"questions": 20, "drawn": 3}


def run(folder: Path, out: str = "out", **fields: Any) -> tuple[dict[str, Any], int]:
    """Return the report of a job that ranks answers, and at how many places it could stop."""
    (folder / out).mkdir(exist_ok=True)
    names = {"model": f"local:{folder / 'model'}", "dataset": f"local:{folder / 'text.txt'}"}
    small = {"sparsity": 0.5, "samples": 2, "eval_samples": 2, "seq_len": 16, "dtype": "float32"}
    given = names | small | {"method": "magnitude", "rank_answers": ASKED} | fields
    resources = Resources(device="cpu", baselines=folder / "baselines")
    steps: list[Any] = []
    spec = PruneSpec.model_validate(given)
    run_to_end(prune(spec, folder / out, resources), steps.append)
    fractions = [step.fraction for step in steps]
    assert fractions == sorted(fractions)
    report: dict[str, Any] = json.loads((folder / out / "report.json").read_text())
    return report, sum(step.phase is Phase.evaluating for step in steps)


@pytest.fixture(autouse=True)
def few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Train rankers in few steps: how good they are is tested elsewhere."""
    monkeypatch.setattr("worker.evaluation.answer_ranker._STEPS", 10)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_model_and_tokenizer(tmp_path / "model", positions=256)
    (tmp_path / "text.txt").write_text("The quick brown fox jumps over the lazy dog. " * 100)
    return tmp_path


def own_questions(folder: Path, count: int, answer: str = "a") -> str:
    row = {"question": "Say a:", "choices": [answer, "b"], "answer": 0}
    (folder / "own.jsonl").write_text(count * (json.dumps(row) + "\n"))
    return f"local:{folder / 'own.jsonl'}"


def test_a_job_has_the_accuracies_of_both_models_with_intervals(folder: Path) -> None:
    report, places = run(folder)

    require_announced_in(report)
    metrics, ranking = report["metrics"], report["ranking"]
    assert all(metric_value(metrics, name) is not None for name in RANKING_METRICS)
    assert metrics["ranking"] == ranking["accuracies"]
    assert metrics["ranking"]["questions"] == 10
    assert 0 < metrics["ranking"]["parameters"] < 500_000
    assert set(ranking["intervals"]) == set(metrics["ranking_stderr"])
    for model in ("dense", "pruned"):
        row = {name: metrics["ranking"][f"{model}_{name}"] for name in ("ranker", "random", "any")}
        assert 0 <= row["random"] <= row["any"] <= 1
        assert row["ranker"] <= row["any"]
    assert ranking["block"] == 1
    assert metrics["ranking_sha256"] == ranking["questions_sha256"]
    assert places > 2 * 20  # the job could stop at each question of each model


def test_the_same_job_has_the_same_figures_and_the_dense_model_is_measured_once(
    folder: Path,
) -> None:
    first, places = run(folder)
    again, fewer = run(folder, "again")
    assert first["metrics"]["ranking"] == again["metrics"]["ranking"]
    assert fewer < places
    other, _ = run(folder, "other", seed=1)
    assert other["metrics"]["ranking_sha256"] != first["metrics"]["ranking_sha256"]


def test_an_interrupted_job_measures_no_model_twice(folder: Path) -> None:
    dense = folder / "baselines"
    small = {"sparsity": 0.5, "samples": 2, "eval_samples": 2, "seq_len": 16, "dtype": "float32"}
    names = {"model": f"local:{folder / 'model'}", "dataset": f"local:{folder / 'text.txt'}"}
    text: dict[str, Any] = {"generate": True, "prompts": ["The"]}
    spec = PruneSpec.model_validate(
        names | small | {"method": "magnitude", "rank_answers": ASKED} | text
    )
    (folder / "out").mkdir()
    steps = prune(spec, folder / "out", Resources(device="cpu", baselines=dense))
    for step in steps:
        if step.fraction >= 0.97:  # the first text: both models are ranked
            break
    steps.close()
    _, places = run(folder, **text)
    assert places < 2 * TOKENS + 20  # those of the texts, and no token of an answer


def test_questions_of_a_dataset_are_asked(folder: Path) -> None:
    asked = ASKED | {"dataset": own_questions(folder, 30)}
    report, _ = run(folder, rank_answers=asked)
    assert report["metrics"]["ranking"]["questions"] == 10
    assert report["spec"]["rank_answers"] == asked


def test_too_few_questions_are_refused_before_the_sweep(folder: Path) -> None:
    asked = ASKED | {"dataset": own_questions(folder, 19)}
    with pytest.raises(SpecRefusedError, match="it has 19 questions") as refused:
        run(folder, rank_answers=asked)
    assert refused.value.code == "dataset_too_small"
    assert refused.value.field == "rank_answers.dataset"
    assert list((folder / "out").iterdir()) == []


def test_an_answer_of_more_tokens_than_are_drawn_is_refused_before_the_sweep(folder: Path) -> None:
    asked = ASKED | {"dataset": own_questions(folder, 30, answer="incomprehensibilities")}
    with pytest.raises(SpecRefusedError, match=r"its question 1 has \d+ of the model's tokens"):
        run(folder, rank_answers=asked)
    assert list((folder / "out").iterdir()) == []


def test_a_model_without_tokenizer_or_room_is_refused(folder: Path) -> None:
    write_model(folder / "bare", FAMILIES["llama"])
    rows = ({"input_ids": ids} for ids in random_ids(8, 16).tolist())
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    names = {"model": f"local:{folder / 'bare'}", "dataset": f"local:{folder / 'rows.jsonl'}"}
    with pytest.raises(SpecRefusedError, match="no tokenizer"):
        run(folder, **names)
    write_model_and_tokenizer(folder / "short", positions=64)
    with pytest.raises(SpecRefusedError, match="the model has room for 56") as refused:
        run(folder, model=f"local:{folder / 'short'}")
    assert refused.value.remedy == "Name shorter questions."
    write_model_and_tokenizer(folder / "shorter", positions=8)
    with pytest.raises(SpecRefusedError, match="the model has room for 0") as refused:
        run(folder, model=f"local:{folder / 'shorter'}", seq_len=8)
    assert refused.value.remedy == "Leave rank_answers out."


def test_the_drop_is_paired_by_question() -> None:
    def ranking(*ranker: float) -> ModelRanking:
        return ModelRanking(ranker, (0.5,) * 4, (0.0,) * 4, (1.0,) * 4, 4, 100)

    measured = MeasuredRanking(ranking(1, 1, 1, 0), ranking(1, 0, 1, 0), 1, "digest")
    metrics = measured.metrics()
    assert metrics["ranking"]["ranker_drop"] == 0.25
    assert metrics["ranking_stderr"]["ranker_drop"] == pytest.approx(0.25)
    assert metrics["ranking_stderr"]["dense_random"] == 0
    interval = measured.report()["intervals"]["dense_ranker"]
    assert interval["low"] < 0.75 < interval["high"]
