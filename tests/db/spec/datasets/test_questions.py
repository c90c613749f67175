import json
from pathlib import Path
from typing import Any

import pytest

from db.core.errors import SpecRefusedError
from db.spec.datasets.files import DataFile
from db.spec.datasets.questions import ANSWERS, SHAPE, Question, read_questions

ROW = {"question": "2 + 2 =", "choices": ["3", "4", "5"], "answer": 1}


def file_of(tmp_path: Path, *rows: dict[str, Any], name: str = "own.jsonl") -> DataFile:
    (tmp_path / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    return DataFile(tmp_path / name, "tasks", f"local:{name}")


@pytest.mark.parametrize("answer", [1, "B", "4"])
def test_an_answer_is_an_index_or_a_letter_or_the_text_of_a_choice(
    tmp_path: Path, answer: object
) -> None:
    [found] = read_questions(file_of(tmp_path, ROW | {"answer": answer, "source": "ignored"}))
    assert found == Question("", "2 + 2 =", ("3", "4", "5"), 1)


ARC = {
    "id": "Mercury_7175875",
    "question": "Which is hot?",
    "choices": {"text": ["ice", "snow", "fire", "rain"], "label": ["A", "B", "C", "D"]},
    "answerKey": "C",
}


def test_rows_as_those_of_arc_on_the_hub_are_questions(tmp_path: Path) -> None:
    numbered = ARC | {"choices": {"text": ["ice", "fire"], "label": ["1", "2"]}, "answerKey": "2"}
    first, second = read_questions(file_of(tmp_path, ARC, numbered))
    assert first == Question("", "Which is hot?", ("ice", "snow", "fire", "rain"), 2)
    assert (second.choices, second.answer) == (("ice", "fire"), 1)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"answerKey": "E"}, 'answerKey is "E", which is none of the 4 choices'),
        ({"choices": {"text": ["a", "b"], "label": ["A"]}}, 'choices.label is ["A"], not 2 diff'),
        ({"choices": {"text": ["a", "b"]}}, "choices.label is null, not 2 different labels"),
        ({"choices": {"label": ["A"]}}, "choices is null, not a list of 2 to 26 texts"),
    ],
)
def test_a_wrong_row_of_arc_is_refused(
    tmp_path: Path, changed: dict[str, Any], reason: str
) -> None:
    with pytest.raises(SpecRefusedError) as refused:
        list(read_questions(file_of(tmp_path, ARC | changed)))
    assert reason in refused.value.reason


def test_a_context_may_precede_the_question(tmp_path: Path) -> None:
    rows = [ROW | {"context": "Sums."}, ROW | {"context": None}, ROW]
    contexts = [one.context for one in read_questions(file_of(tmp_path, *rows))]
    assert contexts == ["Sums.", "", ""]


@pytest.mark.parametrize(
    ("changed", "reason", "remedy"),
    [
        ({"question": " "}, 'question is " ", not a text', SHAPE),
        ({"context": 7}, "context is 7, not a text", SHAPE),
        ({"choices": ["4"]}, 'choices is ["4"], not a list of 2 to 26 texts', SHAPE),
        ({"choices": "34"}, 'choices is "34", not a list', SHAPE),
        ({"choices": ["3", 4]}, "choices[1] is 4, not a text", SHAPE),
        ({"choices": ["3", ""]}, 'choices[1] is "", not a text', SHAPE),
        ({"choices": ["3", "3"]}, 'choices[1] is "3" for the second time', "equally likely"),
        ({"choices": ["3", "\ud800"]}, "choices[1] has an unpaired surrogate", "Remove it."),
        ({"answer": 3}, "answer is 3, which is none of the 3 choices", ANSWERS),
        ({"answer": -1}, "answer is -1, which is none", ANSWERS),
        ({"answer": True}, "answer is true, which is none", ANSWERS),
        ({"answer": "D"}, 'answer is "D", which is none', ANSWERS),
        ({"answer": "6"}, 'answer is "6", which is none', ANSWERS),
        ({"answer": None}, "answer is null, which is none", ANSWERS),
        (
            {"choices": ["B", "A"], "answer": "A"},
            "a choice and the letter of another one",
            "Write the index",
        ),
    ],
)
def test_a_wrong_row_is_refused_with_its_line_and_a_remedy(
    tmp_path: Path, changed: dict[str, Any], reason: str, remedy: str
) -> None:
    with pytest.raises(SpecRefusedError) as refused:
        list(read_questions(file_of(tmp_path, ROW, ROW | changed)))
    error = refused.value
    assert (error.field, error.value, error.code) == (
        *("tasks", "local:own.jsonl", "unreadable_dataset"),
    )
    assert error.reason.startswith("line 2: ")
    assert reason in error.reason
    assert remedy in error.remedy


@pytest.mark.parametrize("field", ["question", "choices", "answer"])
def test_a_missing_field_is_named(tmp_path: Path, field: str) -> None:
    row = {name: value for name, value in ROW.items() if name != field}
    with pytest.raises(SpecRefusedError, match=f"line 1 has no field {field}"):
        list(read_questions(file_of(tmp_path, row)))


def test_a_file_without_questions_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecRefusedError, match="no rows"):
        list(read_questions(file_of(tmp_path)))
    with pytest.raises(SpecRefusedError, match="questions are read from JSONL"):
        list(read_questions(file_of(tmp_path, ROW, name="own.txt")))


def test_a_file_of_too_much_text_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("db.spec.datasets.questions.MAX_TEXT_BYTES", 15)
    with pytest.raises(SpecRefusedError, match="more than 0 MiB of text"):
        list(read_questions(file_of(tmp_path, ROW, ROW)))
