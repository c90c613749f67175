"""The answers of a job's two models to questions, and rankers that choose among them."""

import logging
from collections.abc import Generator
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any, Self

import torch
from torch import Tensor

from db.core.errors import SpecRefusedError
from db.core.states import Phase
from db.spec.datasets.questions import read_questions
from db.spec.descriptions.option import UNFIT
from db.spec.evaluation.question_checks import too_long_answer
from db.spec.options.rank_answers import (
    FEWEST_QUESTIONS,
    FIELD,
    MOST_TOKENS,
    RankAnswersSpec,
)
from db.spec.options.tasks import question_file
from worker import evaluation
from worker.evaluation.answer_ranker import choices, fitted_ranker
from worker.evaluation.drawn_answers import DrawnAnswers, draw_answers, middle_block
from worker.evaluation.generation import end_tokens, whole_model
from worker.evaluation.perplexity import token_loss
from worker.evaluation.short_questions import ShortQuestion, built_in_questions, own_question
from worker.jobs.opened_job import OpenedJob
from worker.jobs.progress import JobProgress, stops_at
from worker.jobs.stages.rank_answers.results import MeasuredRanking, ModelRanking
from worker.jobs.stages.stage import Measured, Stage, WrittenModel
from worker.jobs.windows import position_limit
from worker.pruning.distributed.ranks import SINGLE_PROCESS
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.sweep.fingerprint import code_digest, model_parts
from worker.pruning.sweep.measurement.measurement_cache import MeasurementCache
from worker.sources.tokenizer import load_tokenizer

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class RankAnswersStage(Stage):
    """The questions of a job, encoded.

    Attributes:
        asked: which questions are asked, and how many answers are drawn.
        tokenizer: the model's tokenizer.
        prompts: the token ids ``[n]`` of each question's prompt.
    """

    part = "ranking"
    share = 0.2
    whole_model = ("rank_answers to false", "drawing answers")
    job: OpenedJob
    asked: RankAnswersSpec
    tokenizer: Any
    questions: list[ShortQuestion]
    prompts: list[Tensor]

    @classmethod
    def open(cls, job: OpenedJob) -> Self | None:
        """Encode the questions.

        Raises:
            SpecRefusedError: the model has no tokenizer, or the questions cannot be used.
        """
        if (asked := job.spec.rank_answers) is None:
            return None
        if (tokenizer := load_tokenizer(job.model.path, job.model.name)) is None:
            reason = "the model has no tokenizer"
            raise SpecRefusedError("rank_answers", True, UNFIT, reason, "Leave rank_answers out.")
        questions = _questions(job, asked, tokenizer)
        prompts = [torch.tensor(tokenizer(question.prompt)["input_ids"]) for question in questions]
        room = position_limit(job.meta_model) - MOST_TOKENS
        if (longest := max(map(len, prompts))) > room:
            reason = f"a question has {longest} tokens, and the model has room for {max(room, 0)}"
            remedy = "Name shorter questions." if room > 0 else "Leave rank_answers out."
            value = asked.model_dump(mode="json")
            raise SpecRefusedError("rank_answers", value, UNFIT, reason, remedy)
        return cls(job, asked, tokenizer, questions, prompts)

    def measure(
        self, model: WrittenModel, start: float, end: float
    ) -> Generator[JobProgress, None, Measured]:
        """Draw and rank the answers of both models; yield progress after each token.

        A model that was measured before with the same weights is not measured again.
        """
        job, device = self.job, self.job.devices[0]
        dtype, middle = job.meta_model.dtype, (start + end) / 2
        dense = MetaModel.open(job.model.path, dtype, device)
        first = yield from self._ranking(dense, job.resources.baselines, {}, start, middle)
        pruned, content = model.open(dtype, device), {"weights": model.digests}
        second = yield from self._ranking(pruned, model.scores, content, middle, end)
        measured = MeasuredRanking(first, second, middle_block(len(dense.blocks)), self._digest)
        logger.info("ranking of answers: %s", measured.metrics()["ranking"])
        return Measured(measured.metrics(), measured.report())

    def _ranking(
        self,
        meta_model: MetaModel,
        folder: Path | None,
        identity: dict[str, Any],
        start: float,
        end: float,
    ) -> Generator[JobProgress, None, ModelRanking]:
        """Measure one model, or read its results from ``folder``.

        ``identity`` has parts that identify the model in place of those of `model_parts`.
        """
        cache = MeasurementCache(folder, SINGLE_PROCESS)
        basis = model_parts(meta_model, token_loss, meta_model.device) | identity
        code = {Path(__file__).parent, Path(evaluation.__path__[0])}
        basis |= {"asked": self._digest, "code": sorted(map(code_digest, code))}
        if (known := cache.read(basis)) is not None:
            return ModelRanking.from_json(known)
        drawn = yield from self._drawn(meta_model, start, end)
        ranking = self._ranked(drawn)
        cache.write(basis, asdict(ranking))
        return ranking

    def _drawn(
        self, meta_model: MetaModel, start: float, end: float
    ) -> Generator[JobProgress, None, list[DrawnAnswers]]:
        """Draw the answers to all questions."""
        block = meta_model.blocks[middle_block(len(meta_model.blocks))]
        generator = torch.Generator().manual_seed(self.job.spec.seed)
        drawn: list[DrawnAnswers] = []
        with whole_model(meta_model) as model:
            limits = (self.asked.drawn, MOST_TOKENS, end_tokens(model), generator)
            for prompt in self.prompts:
                share = start + (end - start) * len(drawn) / len(self.prompts)
                steps = draw_answers(model, block, prompt, self.tokenizer.decode, *limits)
                drawn.append((yield from stops_at(share, Phase.evaluating, steps)))
        return drawn

    def _ranked(self, drawn: list[DrawnAnswers]) -> ModelRanking:
        """Train a ranker on half of the questions, and have it choose for the others."""
        states = torch.stack([answers.states for answers in drawn])
        pairs = zip(self.questions, drawn, strict=True)
        right = torch.tensor(
            [
                [question.is_answered_by(text) for text in answers.texts]
                for question, answers in pairs
            ]
        )
        order = Random(0).sample(range(len(drawn)), len(drawn))  # noqa: S311 # the same for both
        training, held_out = order[: len(order) // 2], order[len(order) // 2 :]
        ranker = fitted_ranker(states[training], right[training], self.job.spec.seed)
        chosen = choices(ranker, states[held_out])
        measured = right[held_out].float()
        useful = right[training].any(1) & ~right[training].all(1)
        return ModelRanking(
            ranker=tuple(measured[torch.arange(len(chosen)), chosen].tolist()),
            random=tuple(measured.mean(1).tolist()),
            first=tuple(measured[:, 0].tolist()),
            any=tuple(measured.amax(1).tolist()),
            trained_on=int(useful.sum()),
            parameters=ranker.parameter_count,
        )

    @property
    def _digest(self) -> str:
        """The SHA-256 of the questions, and of how their answers are drawn."""
        asked = (self.questions, self.asked.drawn, MOST_TOKENS, self.job.spec.seed)
        return sha256(repr(asked).encode()).hexdigest()


def _questions(job: OpenedJob, asked: RankAnswersSpec, tokenizer: Any) -> list[ShortQuestion]:
    if asked.dataset is None:
        return built_in_questions(asked.questions)
    resources = job.resources
    file = question_file(asked.dataset, FIELD, resources.dataset_roots, resources.uploads)
    if file is None:
        raise ValueError(f"{asked.dataset} is neither uploaded nor local")
    resources.require_unchanged(file)
    # All are read, so that a wrong one is an error with any number.
    questions = [own_question(question) for question in read_questions(file)]
    if len(questions) < FEWEST_QUESTIONS:
        reason = f"it has {len(questions)} questions, and at least {FEWEST_QUESTIONS} are needed"
        remedy = "Name more questions, or leave the dataset out for those that are built in."
        raise SpecRefusedError(FIELD, asked.dataset, "dataset_too_small", reason, remedy)
    for number, question in enumerate(questions, 1):
        if (length := _answer_tokens(tokenizer, question.answer.strip())) > MOST_TOKENS:
            raise too_long_answer(file, number, f"{length} of the model's tokens")
    return questions[: asked.questions]


def _answer_tokens(tokenizer: Any, answer: str) -> int:
    """Return the number of an answer's tokens, at the start of a text or after a space."""
    texts = (answer, f" {answer}")
    return min(len(tokenizer(text, add_special_tokens=False)["input_ids"]) for text in texts)
