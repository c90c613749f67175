"""The command line: answers on standard output, words on standard error, exit codes."""

import json
import subprocess
import sys
from datetime import timedelta
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner, Result

from db.core.clock import now
from tests.api.work import finish_job
from tests.factories import make_job, make_problem
from tests.waiting import DEADLINE_S
from tests.zpruner.live import Live
from tests.zpruner.service import Answer, Service, artifact, job, page, problem
from zpruner.cli.commands.main import app

LIGHT = """
import sys, zpruner.cli.commands.main
heavy = {"torch", "transformers", "sqlalchemy", "celery", "fastapi", "db", "api", "worker"}
sys.exit(repr(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0)
"""


def run(service: Service, *words: str) -> Result:
    return CliRunner(env={"ZPRUNER_URL": service.url}).invoke(app, list(words))


def test_submit_prints_the_id_and_nothing_else(service: Service) -> None:
    service.prepare("/v1/jobs", Answer(201, job("queued")))

    result = run(service, "submit", "org/model", "--sparsity", "0.5", "--dataset", "c4")

    assert result.exit_code == 0
    assert result.stdout == "job_1\n"


def test_submit_sends_its_idempotency_key_and_reuse(service: Service) -> None:
    service.prepare("/v1/jobs", Answer(201, job("queued")))
    words = ["submit", "org/model", "--sparsity", "0.5", "--dataset", "c4"]

    run(service, *words, "--reuse", "--idempotency-key", "mine")

    assert service.keys == ["mine"]
    sent = {"model": "org/model", "sparsity": 0.5, "dataset": "c4", "reuse": "if_succeeded"}
    assert json.loads(service.bodies[0]) == sent


def test_rerun_prints_the_new_id_and_reads_values_as_json_or_text(service: Service) -> None:
    service.prepare("/v1/jobs/job_0/rerun", Answer(201, job("queued", parent_id="job_0")))
    words = ["--set", "sparsity=0.6", "--set", "method=wanda", "--set", 'skip=["*.o_proj"]']

    result = run(service, "rerun", "job_0", *words, "--set", "dataset=a=b")

    assert (result.exit_code, result.stdout) == (0, "job_1\n")
    sent = {"sparsity": 0.6, "method": "wanda", "skip": ["*.o_proj"], "dataset": "a=b"}
    assert json.loads(service.bodies[0]) == sent
    wrong = run(service, "rerun", "job_0", "--set", "sparsity")
    assert wrong.exit_code == 2
    assert "name=value" in wrong.stderr


def test_retry_prints_the_new_status(service: Service) -> None:
    service.prepare("/v1/jobs/job_1/retry", Answer(200, job("queued")))
    assert run(service, "retry", "job_1").stdout == "queued\n"


def test_result_and_get_show_the_sentences_of_a_benchmark(service: Service) -> None:
    metrics = {"speed": {"decode_ratio": 1.0, "summary": ["Generating: no speed-up."]}}
    service.prepare(
        "/v1/jobs/job_1/result?pending=503",
        Answer(200, {"job_id": "job_1", "metrics": metrics, "artifacts": []}),
    )
    service.prepare("/v1/jobs/job_1", Answer(200, job("succeeded", result=metrics)))

    assert run(service, "result", "job_1").stdout == "Generating: no speed-up.\n"
    assert "  Generating: no speed-up.\n" in run(service, "get", "job_1").stdout


def test_the_warnings_of_a_result_are_shown_with_it(service: Service) -> None:
    found = {"job_id": "job_1", "warnings": ["too good"], "metrics": {"sparsity": 0.5}}
    service.prepare("/v1/jobs/job_1/result?pending=503", Answer(200, found))
    service.prepare("/v1/jobs/job_1", Answer(200, job("succeeded", warnings=["too good"])))

    assert run(service, "result", "job_1").stdout == "warning: too good\nsparsity = 0.5\n"
    for command in ("get", "wait"):
        assert "  warning: too good\n" in run(service, command, "job_1").stdout


def test_result_shows_the_steps_of_a_gradual_job(service: Service) -> None:
    step = {"step": 1, "sparsity": 0.25, "parameters": 1200, "gate_failures": []}
    failed = {"gate_failures": ["perplexity_ratio is 2, wanted at most 1.1"]}
    steps = [
        step | {"pruned_perplexity": 20.125},
        step | failed | {"step": 2, "pruned_perplexity": None},
    ]
    found = {"job_id": "job_1", "metrics": {"steps": steps, "kept_step": 1}, "artifacts": []}
    service.prepare("/v1/jobs/job_1/result?pending=503", Answer(200, found))

    assert run(service, "result", "job_1").stdout.splitlines() == [
        "kept_step = 1",
        "step 1: sparsity 0.25, 1,200 parameters, perplexity 20.12",
        "step 2: sparsity 0.25, 1,200 parameters, perplexity not measured, "
        "perplexity_ratio is 2, wanted at most 1.1",
    ]


def test_result_shows_figures_and_files_or_the_reason_for_none(service: Service) -> None:
    path = "/v1/jobs/job_1/result?pending=503"
    found = {"job_id": "job_1", "metrics": {"sparsity": 0.5}, "artifacts": [artifact(b"abc")]}
    failed = Answer(424, problem("not_succeeded", 424))
    going_on = Answer(503, problem("unfinished", 503))
    service.prepare(path, Answer(200, found), Answer(200, found), failed, going_on)
    service.prepare("/v1/jobs/job_1", Answer(200, job("failed")))

    shown, as_json, failure, early = (
        run(service, "result", "job_1", *words) for words in ([], ["--json"], [], [])
    )

    assert shown.stdout == "sparsity = 0.5\nmodel/weights.bin (3 bytes)\n"
    assert json.loads(as_json.stdout)["metrics"] == {"sparsity": 0.5}
    assert (failure.exit_code, early.exit_code) == (1, 8)
    assert "unfinished" in early.stderr


def test_a_dry_run_submits_nothing(service: Service) -> None:
    shown = {"spec": {"model": "org/model"}, "warnings": ["slow"], "identical_job_id": "job_0"}
    service.prepare("/v1/jobs?dry_run=true", Answer(200, shown))
    words = ["submit", "org/model", "--sparsity", "0.5", "--dataset", "c4", "--dry-run"]

    result = run(service, *words)

    assert "would be accepted" in result.stdout
    assert "job_0 has succeeded" in result.stdout
    assert "slow" in result.stderr
    assert json.loads(run(service, *words, "--json").stdout)["identical_job_id"] == "job_0"


@pytest.mark.parametrize(
    ("status", "code"), [("succeeded", 0), ("failed", 1), ("cancelled", 4), ("expired", 5)]
)
def test_the_exit_status_of_wait_depends_on_how_the_job_ended(
    service: Service, status: str, code: int
) -> None:
    service.prepare("/v1/jobs/job_1", Answer(200, job(status)))

    result = run(service, "wait", "job_1", "--json")

    assert result.exit_code == code
    assert json.loads(result.stdout)["status"] == status


def test_a_timeout_has_its_own_exit_code(service: Service) -> None:
    service.prepare("/v1/jobs/job_1", Answer(200, job()))
    assert run(service, "wait", "job_1", "--timeout", "0").exit_code == 124


@pytest.mark.parametrize(("status", "code"), [(401, 6), (404, 7), (422, 2), (503, 8)])
def test_a_refusal_is_words_for_people_and_a_code_for_programs(
    service: Service, status: int, code: int
) -> None:
    service.prepare("/v1/jobs/job_1", Answer(status, problem("refused", status, hint="Do this.")))

    result = run(service, "get", "job_1")

    assert result.exit_code == code
    assert result.stdout == ""
    assert "Do this." in result.stderr


def test_a_failed_job_shows_the_remedy(service: Service) -> None:
    error = problem("out_of_memory", 500, hint="Lower samples.")
    service.prepare("/v1/jobs/job_1", Answer(200, job("failed", error=error)))
    assert "Lower samples." in run(service, "get", "job_1").stdout


def test_ls_lists_jobs_as_a_table_and_as_json(service: Service) -> None:
    rows = {"data": [job(spec={"model": "org/model", "sparsity": 0.5})], "has_more": False}
    service.prepare("/v1/jobs?limit=20&sort=-created", Answer(200, rows))

    assert "org/model" in run(service, "ls").stdout
    assert json.loads(run(service, "ls", "--json").stdout)[0]["id"] == "job_1"


def test_ls_filters_the_list(service: Service) -> None:
    query = "limit=5&sort=created&status=failed&status=expired&parent=job_0&output=failed&q=org"
    service.prepare(f"/v1/jobs?{query}", Answer(200, {"data": [job()], "has_more": False}))
    words = ["--status", "failed", "--status", "expired", "--parent", "job_0"]
    words += ["--output", "failed", "-q", "org"]

    result = run(service, "ls", *words, "--oldest", "--limit", "5", "--json")

    assert [one["id"] for one in json.loads(result.stdout)] == ["job_1"]


def test_ls_sorts_by_a_metric(service: Service) -> None:
    created_by = "key_" + "0" * 32
    query = f"limit=20&sort=-perplexity&created_by={created_by}"
    service.prepare(f"/v1/jobs?{query}", Answer(200, {"data": [job()]}))
    assert "job_" in run(service, "ls", "--sort", "-perplexity", "--created-by", created_by).stdout


def test_ls_counts_by_status_method_and_verdict(service: Service) -> None:
    facets = {
        "status": {"failed": 2, "queued": 1},
        "method": {"wanda": 3},
        "verdict": {"none": 3},
    }
    body = {"data": [job()], "facets": facets}
    service.prepare("/v1/jobs?limit=1&include=facets", Answer(200, body))

    counted = run(service, "ls", "--facets").stdout
    assert counted.splitlines() == [
        "status failed 2",
        "status queued 1",
        "method wanda 3",
        "verdict none 3",
    ]
    assert json.loads(run(service, "ls", "--facets", "--json").stdout) == facets


def test_the_command_line_imports_no_part_of_the_service() -> None:
    assert subprocess.run([sys.executable, "-c", LIGHT], check=False).returncode == 0


def test_submit_sends_the_field_of_a_dataset(service: Service) -> None:
    service.prepare("/v1/jobs", Answer(201, job("queued")))
    words = ["submit", "org/model", "--sparsity", "0.5", "--dataset", "org/set"]
    fields = ["--text-field", "body", "--eval-dataset", "org/other", "--eval-text-field", "talk"]

    run(service, *words, *fields)

    sent = json.loads(service.bodies[0])
    assert (sent["text_field"], sent["eval_text_field"]) == ("body", "talk")


def test_get_shows_the_jobs_that_the_model_came_through(service: Service) -> None:
    lineage = {"model": "org/model", "jobs": ["job_3", "job_2"]}
    service.prepare("/v1/jobs/job_1", Answer(200, job("succeeded", lineage=lineage)))
    assert "  model made by job_3, job_2 from org/model" in run(service, "get", "job_1").stdout


@pytest.mark.parametrize(("state", "code"), [("succeeded", 0), ("failed", 1), ("cancelled", 1)])
def test_wait_with_outputs_ends_once_the_result_was_sent_or_could_not_be(
    state: str, code: int, service: Service
) -> None:
    answers = [
        Answer(200, job("succeeded", outputs=[{"index": 0, "target": {}, "state": one}]))
        for one in ("waiting", state)
    ]
    service.prepare("/v1/jobs/job_1", *answers)
    result = run(service, "wait", "job_1", "--outputs")
    assert result.exit_code == code
    assert f"output 0: {state}" in result.stdout
    assert "succeeded, sending the result" in result.stderr
    service.prepare("/v1/jobs/job_1", *answers)
    assert "output 0: waiting" in run(service, "wait", "job_1").stdout


def test_a_job_that_is_delayed_shows_until_when(service: Service) -> None:
    later = {"not_before": "2999-01-05T09:30:00Z", "queue_position": 1}
    service.prepare("/v1/jobs/job_1", Answer(200, job("queued", **later)))
    shown = run(service, "get", "job_1").stdout
    assert "queued, not before 2999-01-05 09:30:00 UTC" in shown


def test_ls_lists_all_pages(service: Service) -> None:
    following = {"Link": '</v1/jobs?after=c>; rel="next"'}
    first = {"data": [job()], "next_cursor": "c", "has_more": True}
    service.prepare("/v1/jobs?limit=100&sort=-created", Answer(200, first, headers=following))
    service.prepare("/v1/jobs?after=c", page(job("failed")))
    assert len(json.loads(run(service, "ls", "--all", "--json").stdout)) == 2


def test_an_address_or_a_key_that_cannot_be_used_is_a_wrong_argument(service: Service) -> None:
    for wrong in ({"ZPRUNER_URL": "http://127.0.0.1:abc"}, {"ZPRUNER_API_KEY": "zpr_ä"}):
        refused = CliRunner(env={"ZPRUNER_URL": service.url} | wrong).invoke(app, ["ls"])
        assert (refused.exit_code, refused.stderr.count("\n")) == (2, 1)
        assert next(iter(wrong)) in refused.stderr


def test_edit_raises_the_bound_of_cost(service: Service) -> None:
    service.prepare("/v1/jobs/job_1", Answer(200, job("failed")))
    assert run(service, "edit", "job_1", "--max-cost", "20").exit_code == 0
    assert json.loads(service.bodies[0]) == {"max_cost": 20}
    assert run(service, "edit", "job_1", "--max-cost", "nan").exit_code == 2


def test_submit_and_rerun_print_the_warnings_of_the_new_job(service: Service) -> None:
    for path in ("/v1/jobs", "/v1/jobs/job_0/rerun"):
        service.prepare(path, Answer(201, job("queued", warnings=["few windows"])))
    for words in (("submit", "m", "--dataset", "c4"), ("rerun", "job_0")):
        made = run(service, *words)
        assert (made.stdout, made.stderr) == ("job_1\n", "warning: few windows\n")


def test_get_prints_a_job_as_the_service_returns_it(live: Live) -> None:
    gate = {"max": {}, "min": {"sparsity": 0.9}, "confidence": None}
    error = make_problem(hint="Wait.").model_dump(mode="json")
    priced: dict[str, Any] = {"hourly_price": 2.5, "currency": "EUR", "gate": gate}
    waiting: dict[str, Any] = {"not_before": now(timedelta(hours=1)), "retries": 1, "error": error}
    for made in (
        finish_job(live.sessions, live.store, **priced),
        make_job(live.sessions, **waiting),
    ):
        shown = json.loads(live.run("get", made.id, "--json").stdout)
        assert shown == httpx.get(f"{live.url}/v1/jobs/{made.id}", timeout=DEADLINE_S).json()
    assert shown["postponed"]["error"]["hint"] == "Wait."
