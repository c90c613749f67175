"""The models of recent jobs, which forms offer as suggestions."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.jobs.search import DIGESTED
from db.spec.inputs.job_results import JOB
from db.tables.jobs import Job

SEARCHED_JOBS = 500
MAX_MODELS = 50


def recent_models(session: Session) -> list[str]:
    """Return the names of the models of the newest jobs, most recently used first.

    Each name is returned once; very long names, and results of jobs, are left out.
    """
    newest = select(Job.model_key).order_by(Job.created_at.desc(), Job.id.desc())
    names = dict.fromkeys(session.scalars(newest.limit(SEARCHED_JOBS)))
    return [name for name in names if name and not name.startswith((DIGESTED, JOB))][:MAX_MODELS]
