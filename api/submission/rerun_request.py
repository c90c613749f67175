"""What a rerun changes of the job it repeats."""

from typing import Any

from fastapi.exceptions import RequestValidationError
from pydantic import ConfigDict, JsonValue, RootModel, ValidationError

from api.schemas.requests import JobRequest
from db.tables.jobs import Job


def _like_a_job(schema: dict[str, Any]) -> None:
    """Describe the fields of a job, none of which is needed."""
    fields = JobRequest.model_json_schema(ref_template="#/components/schemas/{model}")
    schema |= {"properties": fields["properties"], "additionalProperties": False}


class JobChanges(RootModel[dict[str, JsonValue]]):
    """Fields of a job that are to be different; the others stay as they were."""

    model_config = ConfigDict(json_schema_extra=_like_a_job)

    def applied_to(self, job: Job) -> JobRequest:
        """Return the request for the changed job.

        Raises:
            RequestValidationError: the fields do not make a job.
        """
        kept = job.spec.model_dump(mode="json") | {"name": job.name, "labels": job.labels}
        kept |= {"queue": job.queue, "priority": job.priority}
        kept |= {"gate": job.gate}
        if self.root.get("pattern") is not None and "sparsity" not in self.root:
            del kept["sparsity"]  # the new pattern implies another
        try:
            return JobRequest.model_validate(kept | self.root)
        except ValidationError as refused:
            errors = [error | {"loc": ("body", *error["loc"])} for error in refused.errors()]
            raise RequestValidationError(errors) from None
