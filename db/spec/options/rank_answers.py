"""The field ``rank_answers``: how well a small ranker finds the right one of a model's answers."""

from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Field, StrictInt

from db.spec.descriptions.basics import Basics
from db.spec.descriptions.option import Option, Place, flag_or_object
from db.spec.descriptions.result_part import ResultPart

FIELD = "rank_answers.dataset"
"""The field that may name a dataset of questions."""
FEWEST_QUESTIONS = 20
"""With fewer, half of which are measured on, no figure would mean anything."""
MOST_TOKENS = 8
"""The most tokens of an answer that is drawn."""
CHOICES = ("ranker", "random", "first", "any")
"""How one of the answers is chosen: by the ranker, at random, as drawn first; and any right one."""
ESTIMATE = "ranking"
"""The group of the metrics, whose standard errors are in a group of the same name and `_stderr`."""
_ACCURACIES = (
    *(f"{model}_{choice}" for model in ("dense", "pruned") for choice in CHOICES),
    "ranker_drop",
)
RANKING_METRICS = (
    *(f"{ESTIMATE}.{name}" for name in (*_ACCURACIES, "questions", "parameters")),
    *(f"{ESTIMATE}_stderr.{name}" for name in _ACCURACIES),
)
"""The names of the metrics; `ranker_drop` is the dense model's accuracy minus the pruned's."""
_CHOSEN = (
    "Chosen by the ranker",
    "Chosen at random",
    "The first one drawn",
    "Any of them is right",
)
_RESULT = ResultPart(
    ESTIMATE,
    "Ranking of answers",
    table=(
        ("Right answers", "Dense", "Pruned"),
        *(
            (
                label,
                *(
                    f"{{{model}_{choice}:share}}{{/{ESTIMATE}_stderr.{model}_{choice}:error}}"
                    for model in ("dense", "pruned")
                ),
            )
            for choice, label in zip(CHOICES, _CHOSEN, strict=True)
        ),
    ),
    note="Of {questions:count} questions that the rankers, of {parameters:count} parameters, were "
    "not trained on. ± is a 95 % interval. It measures the models and prunes nothing.",
)

QuestionSource = Annotated[
    str, Field(min_length=1, max_length=512, pattern=r"^(?:uploaded|local):[A-Za-z0-9_./-]+$")
]


class RankAnswersSpec(BaseModel):
    """Which questions are asked, and how many answers are drawn for each."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dataset: QuestionSource | None = Field(
        default=None,
        description="`uploaded:` or `local:` and a JSONL file of questions, as in `tasks`, whose "
        "right choice is the answer; by default short questions that are built in.",
    )
    questions: StrictInt = Field(
        default=100,
        ge=FEWEST_QUESTIONS,
        le=2000,
        description="The most questions; half of them train the ranker, and the accuracies are "
        "over the others.",
    )
    drawn: StrictInt = Field(
        default=8,
        ge=2,
        le=32,
        description="Answers that are drawn for each question, at a temperature of 0.8.",
    )


RankAnswers = Annotated[RankAnswersSpec | None, flag_or_object("rank_answers", RankAnswersSpec)]


class RankAnswersFields(Basics):
    OPTION: ClassVar = Option(
        questions=(FIELD,),
        metrics={"rank_answers": RANKING_METRICS},
        estimates=(ESTIMATE,),
        remedies={
            "rank_answers": "Write true for the defaults, false, or an object such as "
            '{{"drawn": 8}}.'
        },
        untimed={"rank_answers": "ranked answers"},
        place=Place.evaluation,
        result=_RESULT,
        labels={
            "rank_answers": "Rank answers",
            "rank_answers.dataset": "Questions",
            "rank_answers.questions": "Number of questions",
            "rank_answers.drawn": "Answers for each question",
        },
        docs={"rank_answers": "[Ranking of answers](#ranking-of-answers)."},
    )

    rank_answers: RankAnswers = Field(
        default=None,
        description="Whether a small ranker is trained on the hidden states of the dense and of "
        "the pruned model to find the right one of several answers: `true`, or an object that sets "
        "more. It changes no model. Both must fit into memory as a whole, one after the other.",
        examples=[{"questions": 200}],
    )
