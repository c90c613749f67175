"""A job started by another system, with the whole service."""

import httpx
import pytest

from tests.e2e.embedded import REQUEST_S, SPEC, Service
from tests.waiting import DEADLINE_S
from zpruner import Client

pytestmark = pytest.mark.e2e


def test_a_call_starts_a_job_once(service: Service, client: Client) -> None:
    trigger = client.triggers.create(
        "nightly", "generic", SPEC | {"samples": 4}, map={"model": "/model"}
    )
    headers = {"authorization": f"Bearer {trigger.secret}", "idempotency-key": "night-1"}
    responses = [
        httpx.post(
            f"{service.url}{trigger.hook}",
            json={"model": "local:tiny"},
            headers=headers,
            timeout=REQUEST_S,
        )
        for _ in range(2)
    ]
    assert [one.status_code for one in responses] == [202, 202]
    assert responses[0].json() == responses[1].json()
    job = client.jobs.wait(responses[0].json()["job_id"], timeout_s=DEADLINE_S)
    assert (job.status, job.labels) == ("succeeded", {"trigger": trigger.id})
    (delivery,) = client.triggers.deliveries(trigger.id)
    assert (delivery.delivery_id, delivery.job_id) == ("night-1", job.id)
