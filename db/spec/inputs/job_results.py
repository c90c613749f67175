"""Names of models that are the results of finished jobs, such as ``job:job_0192…``."""

import re

from db.core.errors import SpecRefusedError
from db.core.ids import id_pattern

JOB = "job:"
_NAME = re.compile(rf"{JOB}({id_pattern('job')})")


def model_job(model: str) -> str | None:
    """Return the id of the job whose result is the model; None if it is another model.

    Raises:
        SpecRefusedError: the name begins with ``job:``, but no job's id follows.
    """
    if not model.startswith(JOB):
        return None
    if (match := _NAME.fullmatch(model)) is None:
        reason = "after job: there is no id of a job"
        remedy = "Write job: and the id of a job that has succeeded, as in job:job_0192…"
        raise SpecRefusedError("model", model, "invalid_name", reason, remedy)
    return match[1]
