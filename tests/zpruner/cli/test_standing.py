"""The stage of a job, from the real application through client and command line."""

from db.core.states import Phase
from db.jobs.commands import JobCommands
from db.scheduling.claims import ClaimRepository
from db.scheduling.leases import LeaseRepository
from tests.factories import make_job
from tests.zpruner.live import Live
from zpruner import Client

BLOCK = (7, 32, "layers.7")


def test_a_running_job_shows_its_remaining_time_and_a_paused_one_its_blocks(live: Live) -> None:
    job = make_job(live.sessions)
    with live.sessions.begin() as session:
        ClaimRepository(session).claim(job.id, "gpu@test")
        eta = (90.0, 4000.0)
        LeaseRepository(session).report_progress(
            job.id, 1, phase=Phase.pruning, fraction=0.25, block=BLOCK, eta=eta
        )

    with Client(live.url) as client:
        found = client.jobs.get(job.id).progress.eta_seconds
    assert found is not None
    assert (found.p50, found.p90) == (90.0, 4000.0)
    running = live.run("get", job.id).stdout
    assert f"{job.id} pruning 8/32 25%" in running
    assert "about 1 min 30 s left, likely below 1 h 6 min" in running

    with live.sessions.begin() as session:
        JobCommands(session).pause(job.id)
        LeaseRepository(session).release(job.id, 1)
    paused = live.run("get", job.id).stdout
    assert f"{job.id} paused at 8/32 25%" in paused
    assert "left" not in paused


def test_a_queued_job_shows_its_position(live: Live) -> None:
    queue = "standing"
    first, second = (make_job(live.sessions, queue=queue) for _ in range(2))
    assert f"{second.id} queued, number 2 0%" in live.run("get", second.id).stdout

    with Client(live.url) as client:
        seen: list[int | None] = []

        def move(job: object) -> None:
            seen.append(getattr(job, "queue_position", None))
            client.jobs.cancel(first.id if len(seen) == 1 else second.id)

        ended = client.jobs.wait(second.id, timeout_s=300, on_change=move)
    assert seen == [2, 1, None]
    assert ended.status == "cancelled"


def test_a_job_in_recovery_shows_its_step_in_its_events_and_no_block_in_its_stage(
    live: Live,
) -> None:
    job = make_job(live.sessions)
    step = {"stage": "training", "step": 3, "steps": 32}
    with live.sessions.begin() as session:
        ClaimRepository(session).claim(job.id, "gpu@test")
        leases = LeaseRepository(session)
        leases.report_progress(job.id, 1, phase=Phase.pruning, block=(31, 32, "layers.31"))
        leases.report_progress(job.id, 1, phase=Phase.recovering, fraction=0.5, recovery=step)
    assert f"{job.id} recovering 50%" in live.run("get", job.id).stdout
    assert live.run("events", job.id).stdout.splitlines()[-1].endswith("recovering training 3/32")
