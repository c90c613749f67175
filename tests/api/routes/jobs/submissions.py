"""Jobs that tests submit through the API."""

from fastapi.testclient import TestClient

SMALLEST = {"model": "org/model", "sparsity": 0.5, "dataset": "wikitext2"}


UNKNOWN = "job_" + "0" * 32


def submit(client: TestClient, **fields: object) -> str:
    response = client.post("/v1/jobs", json=SMALLEST | fields)
    assert response.status_code == 201, response.text
    job_id: str = response.json()["id"]
    return job_id
