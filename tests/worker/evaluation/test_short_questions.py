import re

import pytest

from db.spec.datasets.questions import Question
from worker.evaluation.short_questions import ShortQuestion, built_in_questions, own_question


@pytest.mark.parametrize(
    ("text", "is_right"),
    [
        (" 22", True),
        ("22.", True),
        (" 22, I think", True),
        (" **22**", True),
        (" 221", False),
        (" 22.5", False),
        (" 22,000", False),
        (" -1 22", False),
        ("-22", False),
        (" **-22**", False),
        (" \N{MINUS SIGN}22", False),
        (" .22", False),
        ("- 22", True),  # a list
        ("", False),
        (" twenty-two", False),
    ],
)
def test_a_text_is_right_if_it_begins_with_the_answer(text: str, is_right: bool) -> None:
    assert ShortQuestion("?", "22").is_answered_by(text) is is_right


def test_a_number_with_a_sign_is_right_if_the_answer_has_it() -> None:
    assert ShortQuestion("?", "-5").is_answered_by(" -5")
    assert not ShortQuestion("?", "-5").is_answered_by(" 5")
    assert ShortQuestion("?", "well-known").is_answered_by(" -well-known")


def test_words_are_compared_without_case_and_as_a_whole() -> None:
    question = ShortQuestion("?", "In the Rhine")
    assert question.is_answered_by(" in the rhine.")
    assert not question.is_answered_by(" In the Rhineland")
    assert ShortQuestion("?", "C").is_answered_by(" c")
    assert not ShortQuestion("?", "C").is_answered_by(" Cat")


def test_the_built_in_questions_are_different_always_the_same_and_have_right_answers() -> None:
    questions = built_in_questions(2000)
    assert questions == built_in_questions(2000)
    assert questions[:20] == built_in_questions(20)
    assert len({one.prompt for one in questions}) == 2000
    sums = {"plus": int.__add__, "minus": int.__sub__, "times": int.__mul__}
    checked = 0
    for one in questions:
        last = one.prompt.rpartition("Question: ")[2]
        if found := re.search(r"What is (\d+) (\w+) (\d+)\?", last):
            first, kind, second = found.groups()
            assert one.answer == str(sums[kind](int(first), int(second)))
            checked += 1
        if found := re.search(r"larger, (\d+) or (\d+)", last):
            assert one.answer == max(found.groups(), key=int)
        if found := re.search(r"Is (\d+) odd", last):
            assert one.answer == ("even", "odd")[int(found[1]) % 2]
        assert one.prompt.endswith("\nAnswer:")
    assert checked > 300


def test_a_question_of_a_dataset_is_asked_without_its_choices() -> None:
    question = Question("The Wupper is a river.", "Where does it end?", ("Rhine", "Elbe"), 0)
    asked = own_question(question)
    assert asked == ShortQuestion("The Wupper is a river.\nWhere does it end?", "Rhine")
    assert own_question(Question("", "2 + 2 =", ("3", "4"), 1)).prompt == "2 + 2 ="
