"""The client has each field of a job that the API responds with."""

import pytest
from pydantic import BaseModel

from api.schemas import jobs, outputs
from api.schemas.history import Cost
from db.core.problem import FieldProblem, Problem
from zpruner.client.models import jobs as ours


@pytest.mark.parametrize(
    ("model", "response"),
    [
        (ours.JobFields, jobs.JobDetail),
        (ours.Progress, jobs.Progress),
        (ours.Block, jobs.Block),
        (ours.Eta, jobs.Eta),
        (ours.Postponed, jobs.Postponed),
        (ours.Lineage, jobs.Lineage),
        (ours.Cost, Cost),
        (ours.Problem, Problem),
        (ours.FieldProblem, FieldProblem),
        (ours.Output, outputs.OutputRead),
        (ours.OutputProgress, outputs.OutputProgress),
    ],
)
def test_a_part_of_a_job_has_the_fields_of_the_response(
    model: type[BaseModel], response: type[BaseModel]
) -> None:
    assert model.model_fields.keys() == response.model_fields.keys()
