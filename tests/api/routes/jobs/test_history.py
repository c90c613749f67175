from fastapi.testclient import TestClient

from db.core.session import Sessions
from db.core.states import Phase
from db.scheduling.claims import ClaimRepository
from db.scheduling.leases import LeaseRepository
from tests.factories import make_job


def test_events_are_in_order_and_after_continues_the_list(
    client: TestClient, sessions: Sessions
) -> None:
    job_id = make_job(sessions).id
    with sessions.begin() as session:
        ClaimRepository(session).claim(job_id, "gpu@host")
        LeaseRepository(session).report_progress(job_id, 1, phase=Phase.loading)
    path = f"/v1/jobs/{job_id}/events"

    page = client.get(path).json()

    assert [event["seq"] for event in page["data"]] == [1, 2, 3]
    assert [event["status"] for event in page["data"]] == ["queued", "running", "running"]
    assert page["data"][2]["phase"] == "loading"
    assert (page["has_more"], page["next_cursor"]) == (False, None)
    assert [event["seq"] for event in client.get(f"{path}?after=2").json()["data"]] == [3]
    assert client.get(f"{path}?after=3").json()["data"] == []


def test_a_long_history_has_pages(client: TestClient, sessions: Sessions) -> None:
    job_id = make_job(sessions).id
    with sessions.begin() as session:
        claims = ClaimRepository(session)
        claims.claim(job_id, "gpu@host")
    path = f"/v1/jobs/{job_id}/events"

    response = client.get(f"{path}?limit=1")

    page = response.json()
    assert (page["has_more"], page["next_cursor"]) == (True, "1")
    assert response.headers["link"] == f'<{path}?after=1&limit=1>; rel="next"'
    assert client.get(f"{path}?after=1&limit=1").json()["has_more"] is False


def test_blocks_show_what_the_engine_reported(client: TestClient, sessions: Sessions) -> None:
    job_id = make_job(sessions).id
    with sessions.begin() as session:
        ClaimRepository(session).claim(job_id, "gpu@host")
        for index in (1, 0):
            LeaseRepository(session).report_block(
                job_id, 1, index, f"layers.{index}", {"sparsity": 0.5}
            )

    page = client.get(f"/v1/jobs/{job_id}/blocks").json()

    assert page["data"] == [
        {"index": index, "name": f"layers.{index}", "attempt": 1, "data": {"sparsity": 0.5}}
        for index in (0, 1)
    ]


def test_blocks_without_layers_have_none_of_the_lists_that_grow_with_a_block(
    client: TestClient, sessions: Sessions
) -> None:
    job_id = make_job(sessions).id
    lists = {"layers": [{}], "quantized": [{}], "untouched": {"norm": 8}}
    data = {"sparsity": 0.5, "experts": {"scores": [0.5] * 128}, **lists}
    with sessions.begin() as session:
        ClaimRepository(session).claim(job_id, "gpu@host")
        LeaseRepository(session).report_block(job_id, 1, 0, "layers.0", data)

    [block] = client.get(f"/v1/jobs/{job_id}/blocks?layers=false").json()["data"]

    assert block["data"] == {"sparsity": 0.5}
