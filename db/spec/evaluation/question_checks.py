"""Checks of files of questions, before a job is accepted."""

from db.core.errors import SpecRefusedError
from db.spec.datasets.files import DataFile
from db.spec.datasets.questions import read_questions
from db.spec.options.rank_answers import FIELD as RANK_ANSWERS
from db.spec.options.rank_answers import MOST_TOKENS


def check_questions(file: DataFile) -> None:
    """Check every row of a file that a job names as a task, or to rank a model's answers.

    Raises:
        SpecRefusedError: the file cannot be read or has no rows; a row is not a question with its
            choices and answer; or a model, which draws few tokens, could never give the answer.
    """
    for number, question in enumerate(read_questions(file), 1):
        words = len(question.choices[question.answer].split())
        if file.field == RANK_ANSWERS and words > MOST_TOKENS:
            raise too_long_answer(file, number, f"{words} words")


def too_long_answer(file: DataFile, number: int, length: str) -> SpecRefusedError:
    """Return the error for a question, from 1, whose answer has more tokens than can be drawn."""
    reason = (
        f"the right answer to its question {number} has {length}, and answers are drawn of at most "
        f"{MOST_TOKENS} tokens, so that none could be right"
    )
    return file.refused(reason, "Shorten the answer, or leave the question out.")
