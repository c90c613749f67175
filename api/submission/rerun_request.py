"""The request for a rerun: the fields of a job that change."""

import json
from typing import Annotated, Any

from fastapi.exceptions import RequestValidationError
from pydantic import AfterValidator, ConfigDict, JsonValue, RootModel, ValidationError
from pydantic_core import PydanticCustomError

from api.schemas.requests import JobRequest
from db.spec.pruning.patterns import implied_sparsity
from db.spec.pruning.presets import PRESET_FIELDS
from db.tables.jobs import Job


def _add_job_fields(schema: dict[str, Any]) -> None:
    """Add the fields of a job to the schema, all of them optional."""
    fields = JobRequest.model_json_schema(ref_template="#/components/schemas/{model}")
    schema |= {"properties": fields["properties"], "additionalProperties": False}


def _check_is_json(value: JsonValue) -> JsonValue:
    try:
        json.dumps(value, allow_nan=False)
    except ValueError:
        raise PydanticCustomError("finite_number", "is infinite, or not a number") from None
    return value


FieldValue = Annotated[JsonValue, AfterValidator(_check_is_json)]
"""The value of a field, without NaN and infinity, which no digest of a request can contain."""


class JobChanges(RootModel[dict[str, FieldValue]]):
    """The fields that the rerun changes. The job's other fields are copied, with some exceptions.

    ``not_before``, the deadline and ``expect`` are not copied. A new ``preset`` replaces all fields
    that presets can set. The method ``none`` or a new ``pattern`` sets ``sparsity``, unless the
    request sets it.
    """

    model_config = ConfigDict(json_schema_extra=_add_job_fields)

    def applied_to(self, job: Job) -> JobRequest:
        """Return a request for the changed job.

        Raises:
            RequestValidationError: the fields are not those of a valid job.
        """
        fields = job.spec.model_dump(mode="json", exclude={"expect"}) | {
            "name": job.name,
            "labels": job.labels,
            "queue": job.queue,
            "priority": job.priority,
            "gate": job.gate,
            "max_cost": job.max_cost,
            "min_memory_gb": job.min_memory_bytes and job.min_memory_bytes / 1e9,
        }
        if self.root.get("preset") is not None:  # it replaces the fields of another preset
            fields = {name: value for name, value in fields.items() if name not in PRESET_FIELDS}
        implied = implied_sparsity(self.root.get("method"), self.root.get("pattern"))
        if implied is not None and "sparsity" not in self.root:
            del fields["sparsity"]
        try:
            return JobRequest.model_validate(fields | self.root)
        except ValidationError as refused:
            errors = [error | {"loc": ("body", *error["loc"])} for error in refused.errors()]
            raise RequestValidationError(errors) from None
