"""The alerts and dashboards, against the metrics that the API really has."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families
from typer.main import get_group

from api.services.metrics import Metrics
from db.core.session import Sessions
from db.core.states import JobState
from db.files.file_store import FileStore
from db.scheduling.claims import ClaimRepository
from db.scheduling.leases import LeaseRepository
from tests.factories import make_job
from zpruner.cli.commands.main import app

DEPLOY = Path(__file__).parents[2] / "deploy"
MONITORING = DEPLOY / "helm" / "zpruner" / "monitoring"
OF_PROMETHEUS = {"job", "instance", "le", "process"}
"""Labels that a scrape adds, or that only some processes have."""


def alerts() -> list[dict[str, Any]]:
    [group] = yaml.safe_load((MONITORING / "alerts.yaml").read_text())["groups"]
    return list(group["rules"])


def dashboards() -> dict[str, dict[str, Any]]:
    return {path.name: json.loads(path.read_text()) for path in MONITORING.glob("*.json")}


def expressions() -> dict[str, list[str]]:
    """Return the expressions of all alerts and panels, by the name of their owner."""
    found = {rule["alert"]: [rule["expr"]] for rule in alerts()}
    for file, dashboard in dashboards().items():
        for panel in dashboard["panels"]:
            name = f"{file}: {panel['title']}"
            found[name] = [target["expr"] for target in panel["targets"]]
    return found


@pytest.fixture
def labels_of(sessions: Sessions, tmp_path: Path) -> dict[str, set[str]]:
    """The labels of each sample of `/metrics` of a service that has worked."""
    metrics = Metrics(sessions, FileStore(tmp_path), ["gpu"])
    metrics.requests.requests.labels("GET", "/v1/jobs", 200).inc()
    metrics.requests.seconds.labels("GET", "/v1/jobs").observe(0.1)
    make_job(sessions, status=JobState.failed)
    job = make_job(sessions)
    with sessions.begin() as session:
        ClaimRepository(session).claim(job.id, "a/1")
        LeaseRepository(session).report_block(job.id, 1, 0, "layers.0", {"prune_seconds": 2.5})
    text = generate_latest(metrics.registry).decode()
    families = text_string_to_metric_families(text)
    samples = [one for family in families for one in family.samples]
    return {one.name: set(one.labels) | OF_PROMETHEUS for one in samples}


def test_every_metric_and_label_in_alerts_and_dashboards_exists(
    labels_of: dict[str, set[str]],
) -> None:
    wrong = []
    for owner, queries in expressions().items():
        for query in queries:
            used = re.findall(r"\b((?:zpruner|process)_\w+)(?:\{([^}]*)\})?", query)
            assert used, owner
            known = set[str]()
            for name, selectors in used:
                mine = labels_of.get(name, set())
                wrong += [] if name in labels_of else [f"{owner}: {name}"]
                selected = {one.split("=")[0].rstrip("!") for one in selectors.split(",") if one}
                wrong += [f"{owner}: {name}{{{label}}}" for label in selected - mine]
                known |= mine
            grouped = " ".join(re.findall(r"\b(?:by|on) \(([^)]*)\)", query))
            wrong += [
                f"{owner}: {label}" for label in re.findall(r"\w+", grouped) if label not in known
            ]
    assert wrong == []


def test_every_alert_says_what_happened_and_what_to_do() -> None:
    for rule in alerts():
        assert rule["labels"]["severity"] in ("warning", "critical"), rule["alert"]
        assert rule["annotations"]["summary"].endswith("."), rule["alert"]
        assert rule["annotations"]["remedy"].endswith("."), rule["alert"]


def test_every_command_that_an_alert_names_exists() -> None:
    text = (MONITORING / "alerts.yaml").read_text()
    named = set(re.findall(r"\bzpruner ([a-z]+)", text))
    assert named
    assert named <= get_group(app).commands.keys()


def test_every_alert_is_documented() -> None:
    page = (DEPLOY.parent / "docs" / "operations.md").read_text()
    assert re.findall(r"^\| `(ZPruner\w+)`", page, re.MULTILINE) == [
        rule["alert"] for rule in alerts()
    ]


def test_every_alert_is_tested() -> None:
    tests = yaml.safe_load((DEPLOY / "monitoring" / "alerts_test.yaml").read_text())["tests"]
    fired = [
        one["labels"]
        for test in tests
        for one in test["promql_expr_test"][0].get("exp_samples", ())
    ]
    assert re.findall(r'alertname="(\w+)"', " ".join(fired)) == [rule["alert"] for rule in alerts()]


def test_no_two_panels_of_a_dashboard_overlap() -> None:
    for name, dashboard in dashboards().items():
        taken = set[tuple[int, int]]()
        for panel in dashboard["panels"]:
            place = panel["gridPos"]
            columns = range(place["x"], place["x"] + place["w"])
            cells = {(x, y) for x in columns for y in range(place["y"], place["y"] + place["h"])}
            assert not cells & taken, f"{name}: {panel['title']}"
            assert max(columns) < 24, f"{name}: {panel['title']}"
            taken |= cells


@pytest.mark.process
@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed here")
def test_the_alerts_fire_when_they_should() -> None:
    tests = DEPLOY / "monitoring" / "alerts_test.yaml"
    done = subprocess.run(["promtool", "test", "rules", tests], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
