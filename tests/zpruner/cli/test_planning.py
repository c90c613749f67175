"""Commands about several jobs, or about a job that does not exist yet."""

import json
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from tests.zpruner.service import CREATED, Answer, Service, job, problem
from zpruner.cli.commands.main import app
from zpruner.client.client import Client

JOB = ("org/model", "--sparsity", "0.5", "--dataset", "c4")
FAILURE = {"metric": "perplexity_ratio", "bound": "max", "wanted": 1.1, "got": 1.5}
ESTIMATE: dict[str, Any] = {
    "id": "est_1",
    "status": "ready",
    "model": {"name": "org/model", "revision": "a" * 40, "parameters": 134515008, "blocks": 30},
    "fits": True,
    "queue": "gpu",
    "memory": {"host_bytes": 900_000_000, "device_bytes": 0, "scratch_bytes": 0},
    "seconds": {"p50": 90.0, "p90": 126.0},
    "basis": {"jobs": 41, "text": "41 jobs have corrected the time."},
    "artifact_bytes": 269_000_000,
    "warnings": ["about 30 evaluation windows"],
    "advice": ["preset fast did better"],
    "identical_job_id": "job_0",
    "unknown": 1,
}


def run(service: Service, *words: str) -> Result:
    env = {"ZPRUNER_URL": service.url, "COLUMNS": "200"}
    return CliRunner(env=env).invoke(app, list(words))


def point(number: int, status: str = "succeeded", **fields: Any) -> dict[str, Any]:
    varied = {"sparsity": number / 10}
    return {"job_id": f"job_{number}", "varied": varied, "status": status} | fields


def sweep(*points: dict[str, Any], **fields: Any) -> dict[str, Any]:
    known = {"id": "swp_1", "total": len(points), "is_final": True, "created_at": CREATED}
    return known | {"counts": {"succeeded": len(points)}, "points": list(points)} | fields


def test_submit_sends_the_gate(service: Service) -> None:
    service.prepare("/v1/jobs", Answer(201, job("queued")))
    words = ("--gate-max", "perplexity_ratio=1.1", "--gate-min", "sparsity=0.5")

    accuracy = ("--gate-min", "acc.arc=0.6", "--gate-confidence", "0.95")
    run(service, "submit", *JOB, *words, *accuracy)

    assert json.loads(service.bodies[0])["gate"] == {
        "max": {"perplexity_ratio": 1.1},
        "min": {"sparsity": 0.5, "acc.arc": 0.6},
        "confidence": 0.95,
    }
    wrong = run(service, "submit", *JOB, "--gate-max", "perplexity_ratio")
    assert wrong.exit_code == 2
    assert "figure=number" in wrong.stderr


@pytest.mark.parametrize("verb", ["wait", "run"])
def test_a_job_that_fails_its_gate_ends_with_exit_code_3(verb: str, service: Service) -> None:
    estimated = {"metric": "acc_drop.rte", "bound": "max", "wanted": 0.02, "got": 0.05}
    estimated |= {"interval": {"low": 0.0304, "high": 0.0696, "confidence": 0.95}}
    ended = job("succeeded", verdict="fail", gate_failures=[FAILURE, estimated])
    service.prepare("/v1/jobs", Answer(201, job("queued")))
    service.prepare("/v1/jobs/job_1", Answer(200, ended))

    result = run(service, verb, *(("job_1",) if verb == "wait" else JOB))

    assert result.exit_code == 3
    assert "perplexity_ratio = 1.5, wanted at most 1.1" in result.stdout
    assert "acc_drop.rte = 0.05 (95 % interval 0.0304 to 0.0696), wanted" in result.stdout


def test_the_result_of_a_failed_gate_ends_with_exit_code_3(service: Service) -> None:
    path = "/v1/jobs/job_1/result?pending=503"
    service.prepare(path, Answer(424, problem("gate_failed", 424)))
    assert run(service, "result", "job_1").exit_code == 3


@pytest.mark.parametrize(
    ("status", "code"), [("succeeded", 0), ("failed", 1), ("cancelled", 4), ("expired", 5)]
)
def test_run_submits_and_follows_a_job_to_its_exit_code(
    status: str, code: int, service: Service
) -> None:
    service.prepare("/v1/jobs", Answer(201, job("queued")))
    service.prepare("/v1/jobs/job_1", Answer(200, job(status)))

    result = run(service, "run", *JOB, "--reuse", "--timeout", "60", "--json")

    assert result.exit_code == code
    assert json.loads(result.stdout)["status"] == status
    sent = {"model": "org/model", "sparsity": 0.5, "dataset": "c4", "reuse": "if_succeeded"}
    assert json.loads(service.bodies[0]) == sent


def test_run_times_out_while_the_job_continues(service: Service) -> None:
    service.prepare("/v1/jobs", Answer(201, job("queued")))
    service.prepare("/v1/jobs/job_1", Answer(200, job("running")))
    assert run(service, "run", *JOB, "--timeout", "0").exit_code == 124


def test_estimate_waits_until_it_is_ready(service: Service) -> None:
    path = "/v1/estimates/est_1"
    headers = {"Location": path, "Retry-After": "0"}
    pending = {"id": "est_1", "status": "pending"}
    service.prepare("/v1/estimates", Answer(202, pending, headers=headers))
    service.prepare(path, Answer(202, pending, headers=headers), Answer(200, ESTIMATE))

    result = run(service, "estimate", *JOB, "--method", "wanda")

    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0] == "org/model at aaaaaaaaaaaa: 134,515,008 parameters, 30 blocks"
    assert lines[1:4] == [
        "  memory: 900 MB",
        "  time: 1 min 30 s, nine times in ten below 2 min 6 s",
        "  based on: 41 jobs have corrected the time.",
    ]
    assert "  queue: gpu" in lines
    assert "job_0 has succeeded" in result.stdout
    assert "about 30 evaluation windows" in result.stderr
    assert "advice: preset fast did better" in result.stderr.splitlines()
    assert json.loads(service.bodies[0])["method"] == "wanda"
    assert [path for _, path, _ in service.seen] == ["/v1/estimates", path, path]


def test_on_a_busy_machine_estimate_prints_the_time_now_and_the_time_alone(
    service: Service,
) -> None:
    times = {"seconds": {"p50": 50_400, "p90": 90_000}, "seconds_alone": {"p50": 13_200, "p90": 1}}
    service.prepare("/v1/estimates", Answer(200, ESTIMATE | times))
    lines = run(service, "estimate", *JOB).stdout.splitlines()
    assert lines[2] == (
        "  time: 14 h 0 min now, nine times in ten below 1 d 1 h; 3 h 40 min when the machine is "
        "free"
    )


@pytest.mark.parametrize("words", [("submit",), ("run",), ("submit", "--dry-run")])
def test_a_submission_prints_the_advice_of_the_service(
    words: tuple[str, ...], service: Service
) -> None:
    made = job("queued", advice=["preset fast did better"])
    service.prepare("/v1/jobs", Answer(201, made))
    service.prepare("/v1/jobs/job_1", Answer(200, made | {"status": "succeeded"}))
    service.prepare("/v1/jobs?dry_run=true", Answer(200, made | {"spec": {}}))
    result = run(service, words[0], *JOB, *words[1:])
    assert result.stderr.splitlines().count("advice: preset fast did better") == 1
    assert "did better" not in result.stdout


def test_estimate_sends_what_the_worker_must_have(service: Service) -> None:
    service.prepare("/v1/estimates", Answer(200, ESTIMATE))
    assert run(service, "estimate", *JOB, "--queue", "h100", "--min-memory-gb", "80").exit_code == 0
    sent = json.loads(service.bodies[0])
    assert (sent["queue"], sent["min_memory_gb"]) == ("h100", 80)


def test_estimate_shows_the_part_of_a_recovery_and_the_cost(service: Service) -> None:
    part = {"steps": 32, "host_bytes": 2_000_000_000, "scratch_bytes": 800_000_000}
    cost = {"p50": 1.25, "p90": 1.75, "currency": "EUR"}
    found = ESTIMATE | {"recovery": part | {"seconds": 1200.0}, "cost": cost}
    service.prepare("/v1/estimates", Answer(200, found))
    result = run(service, "estimate", *JOB, "--recover", "masked", "--recover-tokens", "9")
    assert "  of which recovery: 32 steps, 20 min 0 s, 2,000 MB, 800 MB of temporary files" in (
        result.stdout.splitlines()
    )
    assert "  cost: 1.25 EUR, nine times in ten below 1.75 EUR" in result.stdout.splitlines()
    assert json.loads(service.bodies[0])["recover"] == {"kind": "masked", "tokens": 9}


def test_estimate_shows_what_would_fit_and_refusals(service: Service) -> None:
    unfit = ESTIMATE | {"fits": False, "refusal": "set samples to 64", "queue": None}
    refused = Answer(422, problem("quantized", 422))
    service.prepare("/v1/estimates", Answer(200, unfit), Answer(200, unfit), refused)
    assert "does not fit: set samples to 64" in run(service, "estimate", *JOB).stdout
    assert json.loads(run(service, "estimate", *JOB, "--json").stdout)["fits"] is False
    assert run(service, "estimate", *JOB).exit_code == 2


def test_an_estimate_that_is_never_ready_times_out(client: Client, service: Service) -> None:
    headers = {"Location": "/v1/estimates/est_1", "Retry-After": "0"}
    for path in ("/v1/estimates", "/v1/estimates/est_1"):
        service.prepare(path, Answer(202, {"id": "est_1"}, headers=headers))
    with pytest.raises(TimeoutError):
        client.estimate("org/model", 0.5, "c4", timeout_s=0)


def test_compare_shows_differences_and_why_they_may_mislead(service: Service) -> None:
    found = {
        "comparable": False,
        "reasons": ["the models differ: a, b"],
        "differences": {"sparsity": [0.5, 0.6]},
        "jobs": [
            {"id": "job_1", "status": "succeeded", "metrics": {"pruned_perplexity": 30.0}},
            {
                "id": "job_2",
                "status": "succeeded",
                "metrics": {"pruned_perplexity": 28.0},
                "deltas": {"pruned_perplexity": -2.0},
            },
        ],
    }
    service.prepare("/v1/compare?ids=job_1%2Cjob_2", Answer(200, found))

    result = run(service, "compare", "job_1", "job_2")

    assert result.exit_code == 0
    assert "28 (-2)" in result.stdout
    assert "sparsity" in result.stdout
    assert "the models differ" in result.stderr
    assert json.loads(run(service, "compare", "job_1", "job_2", "--json").stdout)["differences"]
    alone = run(service, "compare", "job_1")
    assert (alone.exit_code, "name two jobs or more" in alone.output) == (2, True)


def test_sweep_submits_a_grid_follows_it_and_marks_the_best(service: Service) -> None:
    best = point(4, sparsity=0.4, perplexity=20.5, perplexity_ratio=1.2, on_front=True)
    goes_on = sweep(best, point(5, "running"), is_final=False, counts={"running": 1})
    ended = sweep(best, point(5, sparsity=0.5, perplexity=30.0), front=["job_4"])
    service.prepare("/v1/sweeps", Answer(201, goes_on))
    service.prepare("/v1/sweeps/swp_1", Answer(200, goes_on), Answer(200, ended))
    words = ("--dataset", "c4", "--sparsity", "0.4,0.5", "--pattern", "2:4,null")

    result = run(service, "sweep", "org/model", *words, "--samples", "8", "--max-parallel", "2")

    assert result.exit_code == 0
    row, other = (line for line in result.stdout.splitlines() if "job_" in line)
    assert "20.5" in row
    assert "*" in row
    assert "*" not in other
    assert "2 succeeded" in result.stderr
    assert json.loads(service.bodies[0]) == {
        "model": "org/model",
        "dataset": "c4",
        "grid": {"sparsity": [0.4, 0.5], "pattern": ["2:4", None]},
        "samples": 8,
        "max_parallel": 2,
    }
    assert service.keys[0]


def test_a_sweep_with_a_gate_marks_only_the_best_point_that_passed(service: Service) -> None:
    verdicts = {2: "pass", 3: "pass", 4: "fail", 5: "fail"}
    points = [point(number, verdict=one, on_front=True) for number, one in verdicts.items()]
    ended = sweep(*points, front=["job_2", "job_3", "job_4", "job_5"], best="job_3")
    service.prepare("/v1/sweeps", Answer(201, ended))
    service.prepare("/v1/sweeps/swp_1", Answer(200, ended))
    gate = ("--gate-max", "perplexity_ratio=1.5")

    words = ("--dataset", "c4", "--sparsity", "0.2,0.3,0.4,0.5", *gate)
    result = run(service, "sweep", "org/model", *words)

    assert result.exit_code == 0
    lines = [line for line in result.stdout.splitlines() if line.startswith("job_")]
    assert [line.split()[0] for line in lines if "*" in line] == ["job_3"]


@pytest.mark.parametrize(
    ("points", "code"),
    [
        ([point(1), point(2, "failed"), point(3, "cancelled")], 1),
        ([point(1), point(2, "expired")], 5),
        ([point(1), point(2, "cancelled")], 4),
        ([point(1, verdict="fail"), point(2, verdict="fail")], 3),
        ([point(1, verdict="pass"), point(2, verdict="fail")], 0),
        ([point(1, verdict="pass"), point(2, "failed")], 1),
        ([point(1), point(2)], 0),
    ],
)
def test_the_exit_code_of_a_sweep_is_that_of_its_worst_point(
    points: list[dict[str, Any]], code: int, service: Service
) -> None:
    service.prepare("/v1/sweeps", Answer(201, sweep(*points)))
    service.prepare("/v1/sweeps/swp_1", Answer(200, sweep(*points)))
    words = ("sweep", "org/model", "--dataset", "c4", "--sparsity", "0.1")
    assert run(service, *words, "--json").exit_code == code


def test_a_detached_sweep_prints_its_id_and_a_slow_one_times_out(service: Service) -> None:
    goes_on = sweep(point(1, "running"), is_final=False)
    service.prepare("/v1/sweeps", Answer(201, goes_on))
    service.prepare("/v1/sweeps/swp_1", Answer(200, goes_on))
    words = ("sweep", "org/model", "--dataset", "c4", "--sparsity", "0.1")
    assert run(service, *words, "--detach").stdout == "swp_1\n"
    assert run(service, *words, "--timeout", "0").exit_code == 124


def test_the_client_lists_previews_and_cancels_sweeps(client: Client, service: Service) -> None:
    rows = {"data": [sweep()], "has_more": False}
    shown = {"total": 1, "points": [{"varied": {}, "spec": {}}], "warnings": []}
    service.prepare("/v1/sweeps?limit=5", Answer(200, rows))
    service.prepare("/v1/sweeps?dry_run=true", Answer(200, shown))
    service.prepare("/v1/sweeps/swp_1/cancel", Answer(200, sweep(point(1, "cancelled"))))

    assert [one.id for one in client.sweeps.list(limit=5)] == ["swp_1"]
    assert client.sweeps.preview("org/model", "c4", jobs=[{"sparsity": 0.5}]).total == 1
    assert json.loads(service.bodies[1])["jobs"] == [{"sparsity": 0.5}]
    assert client.sweeps.cancel("swp_1").points[0].status == "cancelled"


@pytest.mark.parametrize("verb", ["submit", "run", "estimate", "sweep"])
def test_a_pattern_needs_no_sparsity(verb: str, service: Service) -> None:
    service.prepare("/v1/jobs", Answer(201, job("queued")))
    service.prepare("/v1/jobs/job_1", Answer(200, job("succeeded")))
    service.prepare("/v1/estimates", Answer(200, ESTIMATE))
    service.prepare("/v1/sweeps", Answer(201, sweep(point(5))))
    service.prepare("/v1/sweeps/swp_1", Answer(200, sweep(point(5))))

    result = run(service, verb, "org/model", "--pattern", "2:4", "--dataset", "c4")

    assert result.exit_code == 0, result.stderr
    sent = json.loads(service.bodies[0])
    varied = {"grid": {"pattern": ["2:4"]}} if verb == "sweep" else {"pattern": "2:4"}
    assert sent == {"model": "org/model", "dataset": "c4"} | varied


def test_a_sweep_may_leave_the_skipped_layers_of_a_preset_out(service: Service) -> None:
    service.prepare("/v1/sweeps", Answer(201, sweep(point(5))))
    words = ("--dataset", "c4", "--sparsity", "0.5,0.6", "--skip", "none", "--detach")
    assert run(service, "sweep", "m", *words).exit_code == 0
    assert json.loads(service.bodies[0])["skip"] == []


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("[0-9].o_proj", {"skip": ["[0-9].o_proj"]}),
        ('[[], ["*.o_proj"]]', {"grid": {"sparsity": [0.5], "skip": [[], ["*.o_proj"]]}}),
    ],
)
def test_a_glob_of_a_sweep_may_begin_with_a_bracket(
    text: str, sent: dict[str, Any], service: Service
) -> None:
    service.prepare("/v1/sweeps", Answer(201, sweep(point(5))))
    words = ("--dataset", "c4", "--sparsity", "0.5", "--skip", text, "--detach")
    assert run(service, "sweep", "m", *words).exit_code == 0
    assert json.loads(service.bodies[0]).items() >= sent.items()
