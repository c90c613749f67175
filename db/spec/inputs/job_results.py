"""Names of the results of finished jobs, such as ``job:job_0192…``, and of files of these."""

import re

from db.core.errors import SpecRefusedError
from db.core.ids import id_pattern

JOB = "job:"
PROBABILITIES = "unit_probabilities.json"
"""The file with the probabilities of units that a search has ended with."""
_NAME = re.compile(rf"{JOB}({id_pattern('job')})")


def model_job(model: str) -> str | None:
    """Return the id of the job whose result is the model; None if it is another model.

    Raises:
        SpecRefusedError: the name begins with ``job:``, but no job's id follows.
    """
    return named_job("model", model)


def named_job(field: str, name: str) -> str | None:
    """Return the id of the job whose result a field names; None if it names something else.

    Raises:
        SpecRefusedError: as `model_job`.
    """
    if not name.startswith(JOB):
        return None
    if (match := _NAME.fullmatch(name)) is None:
        reason = "after job: there is no id of a job"
        remedy = "Write job: and the id of a job that has succeeded, as in job:job_0192…"
        raise SpecRefusedError(field, name, "invalid_name", reason, remedy)
    return match[1]
