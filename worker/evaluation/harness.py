"""Tasks of the LM Evaluation Harness, scored by log-likelihoods that are computed elsewhere.

The harness builds the prompts and judges the answers, so that results equal those of its own
command. Only tasks that compare or sum log-likelihoods are supported, not those that generate text.
"""

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

from datasets import Dataset
from lm_eval.api.instance import Instance
from lm_eval.api.model import TemplateLM
from lm_eval.api.task import ConfigurableTask
from lm_eval.evaluator import evaluate
from lm_eval.models.utils import has_bos_prefix
from lm_eval.tasks import TaskManager
from lm_eval.utils import get_rolling_token_windows, make_disjoint_window

from db.spec.datasets.questions import Question
from worker.evaluation.continuations import Continuation, Likelihood
from worker.evaluation.task_data import give_hub_token
from worker.evaluation.task_fields import TaskError
from worker.evaluation.task_files import TaskFiles
from worker.evaluation.task_results import TaskResult
from worker.evaluation.templates import limit_templates

logging.getLogger("lm_eval").setLevel(logging.WARNING)
limit_templates()
give_hub_token()

ACCURACY = "acc"
"""The metric of a task's accuracy: the share of items whose right answer is the most likely one."""
_SPLIT = "test"
_SCORED = ("multiple_choice", "loglikelihood", "loglikelihood_rolling")


class TaskCatalogue:
    """The tasks that come with the harness, and those in further folders.

    Args:
        folders: folders with the harness's YAML files; a task in them takes the place of one of the
            same name that comes with the harness.
    """

    def __init__(self, folders: Sequence[Path] = ()) -> None:
        self._own = TaskFiles(folders)

    @cached_property
    def _builtin(self) -> Any:
        """Those of the harness; indexing its thousands of files takes seconds."""
        return TaskManager()

    def load(self, name: str, limit: int | None) -> "list[HarnessTask]":
        """Load a task, or all tasks of a group, with its data set.

        Args:
            name: the name of a task or a group.
            limit: how many items are used, from the first; None for all.

        Raises:
            TaskError: there is no such task, its data set cannot be loaded, or it generates text.
        """
        asked: list[Any] = [name]
        if name in self._own:
            manager, asked = TaskManager(include_defaults=False), self._own.tasks(name)
        elif name in self._builtin.all_tasks:
            manager = self._builtin
        else:
            raise TaskError("there is no such task")
        try:
            loaded = manager.load(asked)["tasks"]
        except TaskError:
            raise
        except Exception as error:  # the harness and the data set library raise anything
            first = str(error).partition("\n")[0][:300]
            raise TaskError(f"it or its data set cannot be loaded: {first}") from error
        return [HarnessTask(each, task, limit) for each, task in loaded.items()]


def question_task(name: str, questions: Iterable[Question], limit: int | None) -> "HarnessTask":
    """Return the task of choosing the right answers to questions.

    Args:
        name: the task's name.
        questions: the questions; at least one.
        limit: how many of them are used, from the first; None for all.
    """
    config = {
        "task": name,
        "test_split": _SPLIT,
        "output_type": "multiple_choice",
        "doc_to_text": _prompt,
        "doc_to_choice": "choices",
        "doc_to_target": "answer",
        "metadata": {"version": 1.0},
    }
    rows = Dataset.from_list([asdict(question) for question in questions])
    return HarnessTask(name, _QuestionTask(rows, config), limit)


def _prompt(row: dict[str, Any]) -> str:
    """Return the text before the choices; the harness separates each of them by a space."""
    return "\n".join(filter(None, (row["context"], row["question"])))


class _QuestionTask(ConfigurableTask):
    """A task whose data set is given, not loaded by its name."""

    def __init__(self, rows: Dataset, config: dict[str, Any]) -> None:
        self._rows = rows
        super().__init__(config=config)

    def download(self, dataset_kwargs: dict[str, Any] | None = None, **_: Any) -> None:
        self.dataset = {_SPLIT: self._rows}


class HarnessTask:
    """A task with its data set."""

    def __init__(self, name: str, task: Any, limit: int | None) -> None:
        """Check that the task can be scored.

        Raises:
            TaskError: the task generates text.
        """
        if task.OUTPUT_TYPE not in _SCORED:
            raise TaskError("it generates text; only tasks that score given answers can be run")
        self.name, self._task, self._limit = name, task, limit

    def continuations(self, tokenizer: Any, max_tokens: int) -> list[Continuation]:
        """Return everything that has to be scored, in a fixed order.

        Args:
            tokenizer: the model's tokenizer.
            max_tokens: the model's number of positions.

        Raises:
            TaskError: the tokenizer lacks the token that starts a text, the prompts cannot be
                built, or an answer is longer than the model's context.
        """
        scorer = _Scorer(tokenizer, max_tokens)
        try:
            self._evaluate(scorer)
        except (TaskError, MemoryError):
            raise
        except Exception as error:  # the harness and a task's templates raise anything
            first = str(error).partition("\n")[0][:300]
            raise TaskError(f"its prompts cannot be built: {first}") from error
        longest = max((len(one.tokens) for one in scorer.asked), default=0)
        if longest > max_tokens:
            raise TaskError(
                f"an answer has {longest} tokens, and the model has {max_tokens} positions"
            )
        return scorer.asked

    def result(self, tokenizer: Any, max_tokens: int, scores: Sequence[Likelihood]) -> TaskResult:
        """Return the result of a model that gives these likelihoods to `continuations`."""
        evaluation = self._evaluate(_Scorer(tokenizer, max_tokens, iter(scores)))
        metrics = {
            key.partition(",")[0]: float(value)
            for key, value in evaluation["results"][self.name].items()
            if isinstance(value, float) and "_stderr" not in key
        }
        samples = evaluation["samples"][self.name]
        correct = tuple(bool(sample[ACCURACY]) for sample in samples if ACCURACY in sample)
        items = sha256(
            repr([(sample["arguments"], sample["target"]) for sample in samples]).encode()
        )
        return TaskResult(self.name, str(self._task.VERSION), metrics, correct, items.hexdigest())

    def _evaluate(self, scorer: "_Scorer") -> dict[str, Any]:
        tasks = {"tasks": {self.name: self._task}, "groups": {}, "group_map": {}}
        evaluation: dict[str, Any] = evaluate(
            scorer, tasks, limit=self._limit, log_samples=True, bootstrap_iters=0
        )
        return evaluation


class _Scorer(TemplateLM):
    """Records which continuations the harness asks for, and answers with known likelihoods.

    Without known likelihoods, each answer is a placeholder.
    """

    def __init__(
        self, tokenizer: Any, max_tokens: int, known: Iterator[Likelihood] | None = None
    ) -> None:
        super().__init__()
        self.tokenizer, self._max_tokens, self._known = tokenizer, max_tokens, known
        self.asked: list[Continuation] = []

    @property
    def eot_token_id(self) -> int:
        return self.prefix_token_id

    @property
    def prefix_token_id(self) -> int:
        """The token before a text without context."""
        if (first := self._first_token_id()) is None:
            raise TaskError("it has texts without context, and the tokenizer no BOS and EOS token")
        return first

    def tok_encode(
        self, string: str, add_special_tokens: bool | None = None, **_: Any
    ) -> list[int]:
        """Tokenize as the harness does for models of transformers."""
        first = self._first_token_id()
        has_bos = first is not None and has_bos_prefix(string, self.tokenizer.decode(first))
        if add_special_tokens is None and not has_bos:
            return list(self.tokenizer.encode(string))
        return list(self.tokenizer.encode(string, add_special_tokens=bool(add_special_tokens)))

    def loglikelihood(
        self, requests: list[Instance], disable_tqdm: bool = True
    ) -> list[tuple[float, bool]]:
        scores: list[tuple[float, bool]] = super().loglikelihood(requests, disable_tqdm=True)
        return scores

    def loglikelihood_rolling(
        self, requests: list[Instance], disable_tqdm: bool = True
    ) -> list[float]:
        """Return the log-likelihood of whole texts, cut into windows that do not overlap."""
        totals = []
        for request in requests:
            ids = self.tok_encode(request.args[0])
            windows = get_rolling_token_windows(
                ids, prefix_token=self.prefix_token_id, max_seq_len=self._max_tokens, context_len=1
            )
            pairs = [(None, *make_disjoint_window(window)) for window in windows]
            totals.append(sum(score for score, _ in self._loglikelihood_tokens(pairs)))
        return totals

    def generate_until(self, requests: list[Instance], disable_tqdm: bool = True) -> list[str]:
        raise TaskError("it generates text")

    def _first_token_id(self) -> int | None:
        known = (self.tokenizer.bos_token_id, self.tokenizer.eos_token_id)
        return next((int(each) for each in known if each is not None), None)

    def _loglikelihood_tokens(
        self, requests: Sequence[tuple[Any, list[int], list[int]]], **_: Any
    ) -> list[tuple[float, bool]]:
        self.asked += [Continuation(tuple(before), tuple(after)) for _, before, after in requests]
        if self._known is None:
            return [(-1.0, False)] * len(requests)
        known = [next(self._known) for _ in requests]
        return [(likelihood.log_probability, likelihood.is_greedy) for likelihood in known]
