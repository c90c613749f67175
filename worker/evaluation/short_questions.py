"""Questions with short answers, and whether a text gives the right one."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from string import ascii_uppercase

from db.spec.datasets.questions import Question

_SEED = 0  # one for all jobs, so that they are asked the same
_EXAMPLE = "Question: Which number comes after 4?\nAnswer: 5\n"


@dataclass(frozen=True)
class ShortQuestion:
    """A question.

    Attributes:
        prompt: the text that a model continues with an answer.
        answer: the right answer.
    """

    prompt: str
    answer: str

    def is_answered_by(self, text: str) -> bool:
        """Whether a text begins with the right answer; case and leading marks do not matter.

        A longer number or word that begins with the answer is another answer, and so is a number
        with a sign or a decimal point before it.
        """
        answer = self.answer.strip()
        start = r"(?<![-−–.,])" if answer[:1].isdigit() else ""  # noqa: RUF001 # signs
        whole = rf"[\W_]*?{start}{re.escape(answer)}(?!\w|[.,]\d)"
        return re.match(whole, text, re.IGNORECASE) is not None


def built_in_questions(number: int) -> list[ShortQuestion]:
    """Return the first questions of a fixed list: sums, what comes next, is larger or even.

    They are so easy that small models are sometimes right, which a ranker needs to learn from.
    """
    random, answers = Random(_SEED), dict[str, str]()  # noqa: S311 # reproducible on purpose
    while len(answers) < number:
        text, answer = random.choice(_KINDS)(random)
        answers[text] = answer
    return [
        ShortQuestion(f"{_EXAMPLE}Question: {text}\nAnswer:", answer)
        for text, answer in answers.items()
    ]


def own_question(question: Question) -> ShortQuestion:
    """Return a question of a dataset without its choices; the text of the right one is its answer.

    The prompt is that of a zero-shot task: the question as it is written, after its context and a
    line break.
    """
    parts = [question.context, question.question] if question.context else [question.question]
    return ShortQuestion("\n".join(parts), question.choices[question.answer])


def _plus(random: Random) -> tuple[str, str]:
    number, other = random.randint(1, 20), random.randint(1, 20)
    return f"What is {number} plus {other}?", str(number + other)


def _minus(random: Random) -> tuple[str, str]:
    result, other = random.randint(1, 20), random.randint(1, 20)
    return f"What is {result + other} minus {other}?", str(result)


def _times(random: Random) -> tuple[str, str]:
    number, other = random.randint(2, 9), random.randint(2, 9)
    return f"What is {number} times {other}?", str(number * other)


def _next_number(random: Random) -> tuple[str, str]:
    number = random.randint(1, 98)
    return f"Which number comes after {number}?", str(number + 1)


def _larger(random: Random) -> tuple[str, str]:
    number, other = random.sample(range(1, 100), 2)
    return f"Which number is larger, {number} or {other}?", str(max(number, other))


def _parity(random: Random) -> tuple[str, str]:
    number = random.randint(2, 500)
    return f"Is {number} odd or even?", "odd" if number % 2 else "even"


def _next_letter(random: Random) -> tuple[str, str]:
    place = random.randrange(len(ascii_uppercase) - 1)
    text = f"Which letter comes after {ascii_uppercase[place]} in the alphabet?"
    return text, ascii_uppercase[place + 1]


def _next_day(random: Random) -> tuple[str, str]:
    place = random.randrange(len(_DAYS))
    return f"Which day comes after {_DAYS[place]}?", _DAYS[(place + 1) % len(_DAYS)]


_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_KINDS: tuple[Callable[[Random], tuple[str, str]], ...] = (
    *(_plus, _minus, _times, _next_number),
    *(_larger, _parity, _next_letter, _next_day),
)
