"""Renders the chart with helm."""

import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tools.helm import helm

CHART = Path(__file__).parents[3] / "deploy" / "helm" / "zpruner"
NAMESPACE = "prune"
Objects = list[dict[str, Any]]
BUCKET = {"secret": "zpruner", "data": {"bucket": "s3://models/zpruner"}}
SHARED = {"secret": "zpruner", "data": {"shared": {"enabled": True}}}
WORKERS = {"h100": {"queues": ["h100", "gpu"], "gpus": 2}, "cpu": {"gpus": 0, "tolerations": []}}
COMBINATIONS: dict[str, dict[str, Any]] = {
    "bucket": BUCKET,
    "shared": SHARED,
    "shared-existing": {
        "secret": "zpruner",
        "data": {"shared": {"enabled": True, "existingClaim": "files", "storageClassName": "nfs"}},
    },
    "no-keys": BUCKET | {"api": {"auth": "none", "replicas": 1}},
    "autoscaled": BUCKET | {"api": {"autoscaling": {"enabled": True}}},
    "keda": BUCKET | {"workers": {"gpu": {"keda": {"enabled": True}}}},
    "queues": BUCKET | {"workers": WORKERS | {"gpu": None}},
    "queues-keda": BUCKET
    | {"workers": WORKERS, "workerDefaults": {"keda": {"enabled": True, "minReplicas": 1}}},
    "scratch": BUCKET
    | {"workerDefaults": {"scratch": {"size": "1Ti", "storageClassName": "local"}}},
    "digests": BUCKET
    | {"images": {name: {"digest": f"sha256:{'a' * 64}"} for name in ("api", "worker")}},
    "ingress": BUCKET
    | {
        "ingress": {
            "enabled": True,
            "host": "prune.example",
            "className": "nginx",
            "tlsSecret": "tls",
        }
    },
    "monitoring": BUCKET
    | {
        "monitoring": {
            "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
            "keySecret": {"name": "scraper"},
            "alerts": {"enabled": True},
            "dashboards": {"enabled": True},
        }
    },
    "open-network": BUCKET | {"networkPolicy": {"enabled": False}, "podDisruptionBudgets": False},
    "local-models": SHARED
    | {"data": {"shared": {"enabled": True}, "models": "models", "datasets": "texts"}},
    "placed": BUCKET
    | {
        "api": {"nodeSelector": {"pool": "small"}, "tolerations": [{"operator": "Exists"}]},
        "control": {"gpus": 1, "nodeSelector": {"pool": "gpu"}, "podAnnotations": {"a": "b"}},
        "workerDefaults": {
            "nodeSelector": {"pool": "gpu"},
            "runtimeClassName": "nvidia",
            "podLabels": {"kueue.x-k8s.io/queue-name": "prune"},
            "affinity": {"nodeAffinity": {}},
        },
        "images": {"pullSecrets": [{"name": "registry"}]},
        "serviceAccount": {"name": "mine"},
        "settings": {"ZPRUNER_LEASE_S": 30, "ZPRUNER_ALLOWED_HOSTS": "prune.example"},
    },
}


class RefusedError(Exception):
    """Helm refused the values."""


@cache
def rendered(name: str) -> Objects:
    """Return the objects of a combination of values."""
    return render(COMBINATIONS[name])


def render(values: dict[str, Any], release: str = "zpruner", *options: str) -> Objects:
    """Return the objects that a release consists of.

    Raises:
        RefusedError: the values are refused.
    """
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        yaml.safe_dump(values, file)
        file.flush()
        arguments = [
            "template",
            release,
            str(CHART),
            "--namespace",
            NAMESPACE,
            "--values",
            file.name,
        ]
        done = subprocess.run([helm(), *arguments, *options], capture_output=True, text=True)
    if done.returncode:
        raise RefusedError(done.stderr)
    return [one for one in yaml.safe_load_all(done.stdout) if one]


def of_kind(objects: Objects, *kinds: str) -> Objects:
    return [one for one in objects if one["kind"] in kinds]


def pods(objects: Objects) -> dict[str, dict[str, Any]]:
    """Return the specifications of all pods, by the names of their owners."""
    owners = of_kind(objects, "Deployment", "Job")
    return {one["metadata"]["name"]: one["spec"]["template"]["spec"] for one in owners}
