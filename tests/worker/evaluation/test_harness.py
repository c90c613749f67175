"""Results on tasks of the harness equal those of its own command, item by item."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from lm_eval.evaluator import evaluate
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager
from pydantic import TypeAdapter, ValidationError
from transformers import AutoTokenizer

from db.spec.datasets.questions import Question
from db.spec.evaluation.harness_tasks import harness_tasks
from db.spec.options.tasks import TaskName
from tests.worker.evaluation.models import POSITIONS, write_model_and_tokenizer
from tests.zero_shot import ITEMS, write_questions, write_tasks
from worker.evaluation.continuations import Likelihood, likelihoods
from worker.evaluation.harness import HarnessTask, TaskCatalogue, question_task
from worker.evaluation.task_fields import TaskError
from worker.evaluation.task_results import TaskResult
from worker.pruning.base.generators import run_to_end
from worker.pruning.model.meta_model import MetaModel

LIMIT = 20


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model_and_tokenizer(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def tasks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tasks(tmp_path_factory.mktemp("zero-shot") / "tasks")


def ours(model: Path, task: HarnessTask, spill: Path) -> tuple[TaskResult, list[Likelihood]]:
    tokenizer = AutoTokenizer.from_pretrained(model)
    meta_model = MetaModel.open(model, torch.float32, torch.device("cpu"))
    asked = task.continuations(tokenizer, POSITIONS)
    scores = run_to_end(likelihoods(meta_model, asked, POSITIONS, spill))
    return task.result(tokenizer, POSITIONS, scores), scores


def theirs(model: Path, tasks: Path, name: str) -> dict[str, Any]:
    manager = TaskManager(include_path=str(tasks), include_defaults=False)
    lm = HFLM(pretrained=str(model), dtype="float32", device="cpu", batch_size=4)
    found: dict[str, Any] = evaluate(
        lm, manager.load([name]), limit=LIMIT, log_samples=True, bootstrap_iters=0
    )
    return found


@pytest.mark.parametrize("name", ["sums", "parity"])
def test_choices_are_judged_as_by_the_harness_alone(
    model: Path, tasks: Path, tmp_path: Path, name: str
) -> None:
    [task] = TaskCatalogue([tasks]).load(name, LIMIT)
    result, scores = ours(model, task, tmp_path)
    expected = theirs(model, tasks, name)
    samples = expected["samples"][name]

    assert result.correct == tuple(bool(one["acc"]) for one in samples)
    assert len(result.correct) == LIMIT < ITEMS
    for metric, value in result.metrics.items():
        assert value == expected["results"][name][f"{metric},none"]
    answers = [resp[0] for one in samples for resp in one["resps"]]
    assert [one.log_probability for one in scores] == pytest.approx(
        [log for log, _ in answers], abs=1e-4
    )
    assert [one.is_greedy for one in scores] == [bool(is_greedy) for _, is_greedy in answers]


def test_own_questions_are_judged_as_a_task_of_the_harness(model: Path, tmp_path: Path) -> None:
    folder = write_tasks(tmp_path / "tasks")
    task = question_task("local:own.jsonl", write_questions(folder), LIMIT)
    result, scores = ours(model, task, tmp_path)
    expected = theirs(model, folder, "own")
    samples = expected["samples"]["own"]

    assert (result.task, len(result.correct)) == ("local:own.jsonl", LIMIT)
    assert result.correct == tuple(bool(one["acc"]) for one in samples)
    assert set(result.metrics) == {"acc", "acc_norm"}
    for metric, value in result.metrics.items():
        assert value == expected["results"]["own"][f"{metric},none"]
    answers = [resp[0] for one in samples for resp in one["resps"]]
    assert [one.log_probability for one in scores] == pytest.approx(
        [log for log, _ in answers], abs=1e-4
    )


def test_an_answer_that_is_longer_than_the_context_is_refused(model: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(model)
    task = question_task("own", [Question("", "2 + 2 =", ("3", "4 " * 20), 1)], None)
    room = max(len(one.tokens) for one in task.continuations(tokenizer, POSITIONS))
    assert task.continuations(tokenizer, room)
    with pytest.raises(TaskError, match=f"{room} tokens, and the model has {room - 1} positions"):
        task.continuations(tokenizer, room - 1)


def test_items_are_identified_by_their_prompts_their_answers_and_the_right_ones(
    model: Path,
) -> None:
    question = Question("", "2 + 2 =", ("3", "4"), 1)
    tokenizer = AutoTokenizer.from_pretrained(model)

    def items(*questions: Question, limit: int | None = None) -> str:
        task = question_task("own", questions, limit)
        scores = [Likelihood(-1.0, False)] * len(task.continuations(tokenizer, POSITIONS))
        return task.result(tokenizer, POSITIONS, scores).items_sha256

    changes = ({"answer": 0}, {"choices": ("3", "5")}, {"question": "2 + 3 ="}, {"context": "A"})
    others = [replace(question, **one) for one in changes]
    known = {items(question), items(question, question), *map(items, others)}
    assert len(known) == 2 + len(others)
    assert items(question, others[0], limit=1) == items(question)


def test_whole_texts_are_scored_in_windows_as_by_the_harness_alone(
    model: Path, tasks: Path, tmp_path: Path
) -> None:
    [task] = TaskCatalogue([tasks]).load("stories", None)
    result, _ = ours(model, task, tmp_path)
    expected = theirs(model, tasks, "stories")["results"]["stories"]["byte_perplexity,none"]
    assert result.metrics["byte_perplexity"] == pytest.approx(expected, rel=1e-6)
    assert result.correct == ()


def test_a_task_that_generates_text_is_refused(tasks: Path) -> None:
    with pytest.raises(TaskError, match="generates text"):
        TaskCatalogue([tasks]).load("essay", None)


def test_a_task_without_a_data_set_is_refused(tasks: Path, tmp_path: Path) -> None:
    copy = (tasks / "sums.yaml").read_text().replace(str(tasks), str(tmp_path / "none"))
    (tmp_path / "sums.yaml").write_text(copy)
    with pytest.raises(TaskError, match="there is no data file"):
        TaskCatalogue([tmp_path]).load("sums", None)


def test_an_unknown_task_is_refused_and_no_known_one_at_submit(tasks: Path) -> None:
    catalogue = TaskCatalogue([tasks])
    with pytest.raises(TaskError, match="there is no such task"):
        catalogue.load("no_such_task", None)
    names = TypeAdapter(TaskName)
    missed = set(catalogue._builtin.all_tasks) - harness_tasks()
    for name in missed:  # the API would refuse them, but no job can name them
        with pytest.raises(ValidationError):
            names.validate_python(name)


@pytest.mark.parametrize(
    ("template", "says"),
    [
        ("{{ missing.part }}", "its template .* fails: 'missing' is undefined"),
        ("{{ ''.__class__() }}", "its template .* fails: access to attribute '__class__'"),
        ("{{ 1 // (answer - 1) }}", "its template .* fails: integer division"),
    ],
)
def test_a_task_whose_prompts_cannot_be_built_is_refused(
    model: Path, tasks: Path, tmp_path: Path, template: str, says: str
) -> None:
    fields = yaml.safe_load((tasks / "sums.yaml").read_text()) | {"doc_to_text": template}
    (tmp_path / "sums.yaml").write_text(yaml.safe_dump(fields))
    tokenizer, catalogue = AutoTokenizer.from_pretrained(model), TaskCatalogue([tasks, tmp_path])
    with pytest.raises(TaskError, match=says):
        [task.continuations(tokenizer, POSITIONS) for task in catalogue.load("sums", 2)]
