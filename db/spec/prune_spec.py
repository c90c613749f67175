"""The specification of a job: its validated, immutable fields."""

from collections.abc import Iterator, Mapping
from typing import Any, Self

from pydantic import GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from db.spec.descriptions.basics import Basics
from db.spec.descriptions.option import options_of, value_of
from db.spec.options.benchmark import BenchmarkFields
from db.spec.options.binarize import BinarizeFields
from db.spec.options.calibration import CalibrationFields
from db.spec.options.evaluation import EvaluationFields
from db.spec.options.expect import ExpectFields
from db.spec.options.experts import ExpertFields
from db.spec.options.generate import GenerateFields
from db.spec.options.masks import MaskFields
from db.spec.options.mix import MixedText, MixFields
from db.spec.options.output import OutputFields
from db.spec.options.quantize import QuantizeFields
from db.spec.options.rank_answers import RankAnswersFields
from db.spec.options.recover import RecoverFields
from db.spec.options.refine import RefineFields
from db.spec.options.removal import RemovalFields
from db.spec.options.rotate import RotateFields
from db.spec.options.steps import StepsFields
from db.spec.options.target import TargetFields
from db.spec.options.tasks import TaskFields
from db.spec.options.vocabulary import VocabularyFields
from db.spec.pruning.patterns import implied_sparsity


class PruneSpec(
    OutputFields,
    ExpectFields,
    BenchmarkFields,
    RankAnswersFields,
    GenerateFields,
    TaskFields,
    EvaluationFields,
    MixFields,
    CalibrationFields,
    BinarizeFields,
    RotateFields,
    QuantizeFields,
    RecoverFields,
    RefineFields,
    MaskFields,
    StepsFields,
    ExpertFields,
    VocabularyFields,
    RemovalFields,
    TargetFields,
    Basics,
):
    """One request to prune one model. Only ``model``, ``sparsity`` and ``dataset`` are required."""

    @model_validator(mode="before")
    @classmethod
    def _complete(cls, data: Any) -> Any:
        """Set the fields of the preset, and the sparsity that the method or the pattern implies."""
        if not isinstance(data, dict):
            return data
        for option in options_of(PruneSpec):
            data = option.complete(data)
        if data.get("sparsity") is None:
            share = implied_sparsity(data.get("method"), data.get("pattern"))
            return data if share is None else data | {"sparsity": share}
        return data

    def stored(self) -> dict[str, Any]:
        """Return the fields to store: all but those of `OFF` that are off.

        An older version then reads every job that uses no newer option. The others are stored even
        at their default, so that a changed default never changes an old job.
        """
        written = self.model_dump(mode="json")
        return {name: value for name, value in written.items() if OFF.get(name, ...) != value}

    @classmethod
    def from_stored(cls, fields: Mapping[str, Any]) -> Self:
        """Return the specification of a row; a field that it lacks is off."""
        return cls.model_validate(OFF | dict(fields))

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Make ``sparsity`` optional in requests, as a pattern or the method may imply it."""
        schema = handler(core_schema)
        required = handler.resolve_ref_schema(schema).get("required", [])
        if handler.mode == "validation" and "sparsity" in required:
            required.remove("sparsity")
        return schema


_ALWAYS_STORED = ("refine", "recover")  # a preset of version 0.2 would set them again
OFF: dict[str, Any] = {
    name: None if field.default is None else []
    for name, field in PruneSpec.model_fields.items()
    if field.default in (None, ()) and name not in _ALWAYS_STORED
}
"""The fields that are off by default, as JSON, and are not stored then."""
OPTIONS = options_of(PruneSpec)
"""What is known of each option of a job, in the order of their fields."""
VARIED = tuple(
    name
    for kind in ("amounts", "varied", "varied_lists")
    for option in OPTIONS
    for name in getattr(option, kind)
)
"""Fields that change the pruning but not the evaluation, so that points of a sweep are comparable
and share one measurement of the dense model."""

PLANNED = tuple(name for option in OPTIONS for name in option.planned)
"""Fields with which only the planner can tell whether a job can run."""


def named_texts(spec: PruneSpec) -> Iterator[tuple[str, str, str | None]]:
    """Yield the texts of a job: the field, the name, and the column that is chosen of it, if any.

    The field of a text in a list has its place in it after a dot.
    """
    for option in OPTIONS:
        for field, column in option.texts.items():
            if (name := value_of(spec, field)) is not None:
                yield field, name, value_of(spec, column)
        for field in option.text_lists:
            for place, text in enumerate(value_of(spec, field)):
                if isinstance(text, MixedText):
                    if text.dataset is not None:
                        yield f"{field}.{place}.dataset", text.dataset, text.text_field
                else:
                    yield f"{field}.{place}", text, None


def untimed(spec: PruneSpec) -> list[str]:
    """Return what a job does beside the work whose time is planned, such as zero-shot tasks."""
    return [
        what
        for option in OPTIONS
        for name, what in option.untimed.items()
        if option.uses(spec, name)
    ]
