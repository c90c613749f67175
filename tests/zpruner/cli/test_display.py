"""The text about a job that the command line prints while it follows the job."""

from datetime import UTC, datetime
from io import StringIO

import pytest
from rich.console import Console

from zpruner.cli.display import progress_display, result_text, summary
from zpruner.cli.tables import jobs_table
from zpruner.cli.text_table import Table
from zpruner.client.models.jobs import Cost, JobFields, Postponed, Problem, Result

BEGUN = datetime(2026, 1, 1, tzinfo=UTC)


def lines(job: JobFields) -> list[str]:
    """Return the description of a job as a pipe receives it."""
    parts = [[one] if isinstance(one, str) else one.tabbed() for one in summary(job)]
    return "\n".join(line for part in parts for line in part).splitlines()


@pytest.mark.parametrize("is_terminal", [False, True])
def test_warnings_that_a_job_gets_while_it_is_followed_are_printed_once(is_terminal: bool) -> None:
    console = Console(file=StringIO(), force_terminal=is_terminal, width=200)
    with progress_display(console) as show:
        for warnings in (["of the submission"], ["of the submission", "busy: 1"], ["busy: 2"]) * 2:
            show(JobFields(id="job_1", status="running", created_at=BEGUN, warnings=warnings))
    assert isinstance(console.file, StringIO)
    printed = console.file.getvalue()
    assert "of the submission" not in printed
    assert [printed.count(f"warning: busy: {n}") for n in (1, 2)] == [1, 1]


def test_a_job_is_described_without_its_empty_fields() -> None:
    spec = {"model": "m", "sparsity": 0.5, "skip": [], "output": [], "ratio": None, "seed": 0}
    text = lines(JobFields(id="job_1", status="queued", created_at=BEGUN, spec=spec))
    assert text[1:] == ["  model: m", "  sparsity: 0.5", "  seed: 0"]
    cost = Cost(amount=1234.5, currency="EUR")
    priced = JobFields(id="job_1", status="queued", created_at=BEGUN, spec=spec, cost=cost)
    assert lines(priced)[4] == "  cost: 1,234.50 EUR"


def test_a_list_of_jobs_shows_rounded_sparsities_and_the_ratio_of_smaller_models() -> None:
    specs = [{"model": "m", "sparsity": 4 / 7}, {"model": "m", "sparsity": 0.0, "ratio": 0.25}]
    jobs = [JobFields(id="j", status="queued", created_at=BEGUN, spec=spec) for spec in specs]
    cells = [line.split("\t") for line in jobs_table(jobs).tabbed()]
    assert [row[4] for row in cells] == ["0.5714", "ratio 0.25"]


def test_the_accuracies_of_tasks_are_shown() -> None:
    name = "uploaded:dat_1"
    metrics = {
        "sparsity": 0.5,
        **{"acc": {name: 0.6}, "acc_stderr": {name: 0.25}, "dense_acc": {name: 0.8}},
        "items": {name: 5},
    }
    line = "uploaded:dat_1: accuracy 0.6 ± 0.25 (dense 0.8), 5 items"
    assert line in result_text(Result(job_id="job_1", metrics=metrics)).splitlines()
    ended = JobFields(id="job_1", status="succeeded", created_at=BEGUN, result=metrics)
    assert f"  {line}" in lines(ended)


def test_the_distances_on_texts_are_shown() -> None:
    of_texts = {
        **{"text_ratio": {"c4": 1.35}, "kl": {"c4": 0.25}, "kl_stderr": {"c4": None}},
        "agreement": {"c4": 0.8},
    }
    line = "c4: 1.35 times the dense perplexity, KL 0.25, 80 % same token"
    ended = JobFields(id="job_1", status="succeeded", created_at=BEGUN, result=of_texts)
    assert f"  {line}" in lines(ended)
    with_error = of_texts | {"kl_stderr": {"c4": 0.0123}}
    text = result_text(Result(job_id="job_1", metrics=with_error))
    assert line.replace("0.25,", "0.25 ± 0.012,") in text.splitlines()


def test_the_methods_that_a_job_has_compared_are_shown() -> None:
    own = {"size": 110_000_000, "perplexity": 42.94, "seconds": 75.2, "kept": 1}
    other = own | {"perplexity": 59.0, "kept": 0}
    metrics = {"target": {"size": 110_000_000, "candidates": {"neurons": own, "heads": other}}}
    wanted = [
        "candidate neurons: size 110,000,000, perplexity 42.94, 1 min 15 s, kept",
        "candidate heads: size 110,000,000, perplexity 59, 1 min 15 s",
    ]
    shown = result_text(Result(job_id="job_1", metrics=metrics)).splitlines()
    assert [line for line in shown if line.startswith("candidate")] == wanted
    ended = JobFields(id="job_1", status="succeeded", created_at=BEGUN, result=metrics)
    assert [f"  {line}" for line in wanted] == lines(ended)[-2:]


def test_a_remedy_that_the_error_contains_is_not_repeated() -> None:
    error = Problem(code="unusable_task", detail="it failed. Try again.", hint="Try again.")
    text = "\n".join(lines(JobFields(id="job_1", status="failed", created_at=BEGUN, error=error)))
    assert text.count("Try again.") == 1


def test_a_postponed_job_is_described_with_the_reason() -> None:
    error = Problem(code="storage_unavailable", detail="it went away.", hint="Wait.")
    postponed = Postponed(until=BEGUN, attempt=2, attempts=5, error=error)
    waiting = JobFields(id="job_1", status="queued", created_at=BEGUN, postponed=postponed)
    assert lines(waiting)[1:] == [
        "  postponed: attempt 2 of 5 follows",
        "  storage_unavailable: it went away.",
        "  Wait.",
    ]


def test_the_figures_of_a_job_are_a_table_of_the_dense_and_the_pruned_model() -> None:
    metrics = {
        **{"dense_perplexity": 20.0, "pruned_perplexity": 25.0, "perplexity_ratio": 1.25},
        **{"parameters": 3000, "parameters_removed": 1000, "sparsity": 0.0},
        **{"dense_weights_bytes": 8_000_000, "weights_bytes": 6_000_000},
        **{"prune_seconds": 61.0, "evaluate_seconds": 5.0, "peak_memory_bytes": 9_000_000},
    }
    ended = JobFields(
        id="job_1",
        status="succeeded",
        created_at=BEGUN,
        result=metrics,
        seconds=70.0,
        size_bytes=7_000_000,
    )
    assert lines(ended)[1:] == [
        "perplexity\t20\t25\t1.25",
        "parameters\t4,000\t3,000\t0.75",
        "weights\t8 MB\t6 MB\t0.75",
        "zeros\t\t0 %\t",
        "time\t\t1 min 10 s\t",
        "pruning\t\t1 min 1 s\t",
        "evaluation\t\t5.0 s\t",
        "peak memory\t\t9 MB\t",
        "files\t\t7 MB\t",
        "  zpruner download job_1 FOLDER writes its files",
    ]
    [_, table, *_] = summary(ended)
    assert isinstance(table, Table)
    assert next(iter(table.aligned(80))).split() == ["dense", "pruned", "ratio"]
