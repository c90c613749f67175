"""Multiple-choice questions: the rows of a dataset that a job names as a task."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from string import ascii_uppercase
from typing import Any

from db.core.errors import SpecRefusedError
from db.spec.datasets.files import JSON_SUFFIXES, MAX_TEXT_BYTES, DataFile

FEWEST_CHOICES = 2
MOST_CHOICES = len(ascii_uppercase)
SHAPE = (
    'Write one {"question": "…", "choices": ["…", "…"], "answer": 0} a line, with a "context" if '
    "there is one; or rows as ARC has them on the hub, with choices.text, choices.label and "
    "answerKey."
)
ANSWERS = (
    "Write the index of the right choice, from 0; its letter, from A; or the text of the choice."
)


@dataclass(frozen=True)
class Question:
    """A question with its choices.

    Attributes:
        context: a text before the question; empty if there is none.
        choices: the possible answers, all different.
        answer: the index of the right choice.
    """

    context: str
    question: str
    choices: tuple[str, ...]
    answer: int


def read_questions(file: DataFile) -> Iterator[Question]:
    """Yield the questions of a JSONL file in order.

    Raises:
        SpecRefusedError: the file is not JSONL, cannot be read, is too large or has no rows; or a
            row is not a question with its choices and answer.
    """
    if file.suffix not in JSON_SUFFIXES:
        remedy = "Name a .jsonl file, or upload it as application/jsonl."
        raise file.refused("questions are read from JSONL, and it is not JSONL", remedy)
    characters = 0
    for line, values in file.objects():
        question = _Row(file, line, values).question()
        characters += sum(map(len, (question.context, question.question, *question.choices)))
        if characters > MAX_TEXT_BYTES:
            reason = f"it has more than {MAX_TEXT_BYTES >> 20} MiB of text"
            raise file.refused(reason, "Name a smaller part of it.")
        yield question
    if characters == 0:
        raise file.refused("it has no rows", SHAPE)


@dataclass(frozen=True)
class _Row:
    """A line of the file, for the conversion to a question."""

    file: DataFile
    line: int
    values: dict[str, Any]

    def question(self) -> Question:
        context = "" if self.values.get("context") is None else self._text("context")
        question, choices = self._text("question"), self._choices()
        return Question(context, question, choices, self._answer(choices))

    def _choices(self) -> tuple[str, ...]:
        choices = self._value("choices")
        if isinstance(choices, dict):  # as ARC has them on the hub
            choices = choices.get("text")
        if not isinstance(choices, list) or not FEWEST_CHOICES <= len(choices) <= MOST_CHOICES:
            count = f"a list of {FEWEST_CHOICES} to {MOST_CHOICES} texts"
            raise self._refused(f"choices is {_shown(choices)}, not {count}")
        for number, choice in enumerate(choices):
            self._require_text(f"choices[{number}]", choice)
            if choice in choices[:number]:
                raise self._refused(
                    f"choices[{number}] is {_shown(choice)} for the second time",
                    "Remove it: equal choices are equally likely.",
                )
        return tuple(choices)

    def _labels(self, choices: tuple[str, ...]) -> list[object]:
        """Return the labels of ARC's choices; none of other questions."""
        if not isinstance(value := self.values["choices"], dict):
            return []
        labels = value.get("label")
        if not isinstance(labels, list) or len({*map(str, labels)}) != len(choices):
            wanted = f"{len(choices)} different labels"
            raise self._refused(f"choices.label is {_shown(labels)}, not {wanted}")
        return labels

    def _answer(self, choices: tuple[str, ...]) -> int:
        labels, name = self._labels(choices), "answerKey" if self._is_of_arc else "answer"
        answer = self._value(name)
        meant = {labels.index(answer)} if answer in labels else set(_meanings(answer, choices))
        if len(meant) == 1:
            return meant.pop()
        if meant:
            reason = f"{name} is {_shown(answer)}, which is a choice and the letter of another one"
            raise self._refused(reason, "Write the index of the right choice, from 0.")
        reason = f"{name} is {_shown(answer)}, which is none of the {len(choices)} choices"
        raise self._refused(reason, ANSWERS)

    @property
    def _is_of_arc(self) -> bool:
        """Whether the answer has the name that it has in ARC."""
        return "answer" not in self.values and "answerKey" in self.values

    def _text(self, name: str) -> str:
        value = self._value(name)
        self._require_text(name, value)
        return str(value)

    def _value(self, name: str) -> Any:
        if name not in self.values:
            raise self.file.dataset.refused(f"line {self.line} has no field {name}", SHAPE)
        return self.values[name]

    def _require_text(self, name: str, value: Any) -> None:
        if not isinstance(value, str) or not value.strip():
            raise self._refused(f"{name} is {_shown(value)}, not a text")
        try:
            value.encode()
        except UnicodeEncodeError:
            raise self._refused(f"{name} has an unpaired surrogate", "Remove it.") from None

    def _refused(self, reason: str, remedy: str = SHAPE) -> SpecRefusedError:
        return self.file.refused(f"line {self.line}: {reason}", remedy)


def _meanings(answer: Any, choices: tuple[str, ...]) -> Iterator[int]:
    """Yield the index of each choice that the answer may stand for."""
    if type(answer) is int and 0 <= answer < len(choices):
        yield answer
    if isinstance(answer, str):
        if answer in choices:
            yield choices.index(answer)
        if len(answer) == 1 and answer in ascii_uppercase[: len(choices)]:
            yield ascii_uppercase.index(answer)


def _shown(value: Any) -> str:
    return json.dumps(value, default=str)[:40]
