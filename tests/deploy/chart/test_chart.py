"""The chart, rendered with many combinations of values, against three versions of Kubernetes."""

import re
import subprocess
from copy import deepcopy
from typing import Any

import kubernetes_validate
import pytest
import yaml

from tests.compose import SERVICES
from tests.deploy.chart.rendered import (
    BUCKET,
    CHART,
    COMBINATIONS,
    SHARED,
    RefusedError,
    of_kind,
    pods,
    render,
    rendered,
)
from tools.helm import helm

VERSIONS = ("1.31", "1.34", "1.37")
OF_OTHERS = ("keda.sh/", "monitoring.coreos.com/")
"""Kinds that an operator adds: Kubernetes has no schema of them."""
every_combination = pytest.mark.parametrize("name", COMBINATIONS)


def test_helm_finds_nothing_to_complain_about() -> None:
    settings = ("--set", "secret=zpruner", "--set", "data.bucket=s3://a/b")
    command = [str(helm()), "lint", "--strict", str(CHART), *settings]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("version", VERSIONS)
@every_combination
def test_every_object_is_valid(name: str, version: str) -> None:
    for one in rendered(name):
        if not one["apiVersion"].startswith(OF_OTHERS):
            kubernetes_validate.validate(one, version, strict=True)


@every_combination
def test_every_container_is_unprivileged(name: str) -> None:
    for owner, pod in pods(rendered(name)).items():
        assert pod["securityContext"]["runAsNonRoot"] is True, owner
        assert pod["securityContext"]["runAsUser"] > 0, owner
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, owner
        assert pod["automountServiceAccountToken"] is False, owner
        for container in pod["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }


@every_combination
def test_every_image_has_a_version(name: str) -> None:
    for pod in pods(rendered(name)).values():
        for container in pod["containers"]:
            assert re.fullmatch(r"zpruner-\w+(:\d+\.\d+\.\d+|@sha256:a{64})", container["image"])


@every_combination
def test_every_container_says_what_it_needs(name: str) -> None:
    for owner, pod in pods(rendered(name)).items():
        for container in pod["containers"]:
            assert container["resources"]["requests"].keys() >= {"cpu", "memory"}, owner
            assert "memory" in container["resources"]["limits"], owner


@every_combination
def test_no_secret_is_in_the_chart(name: str) -> None:
    assert of_kind(rendered(name), "Secret") == []
    [settings] = [
        one for one in of_kind(rendered(name), "ConfigMap") if one["metadata"]["name"] == "zpruner"
    ]
    assert not re.search("PASSWORD|SECRET|TOKEN|_KEY", " ".join(settings["data"]))
    for pod in pods(rendered(name)).values():
        assert {"secretRef": {"name": "zpruner"}} in pod["containers"][0]["envFrom"]


@every_combination
def test_kubernetes_adds_no_variables_that_look_like_settings(name: str) -> None:
    assert all(pod["enableServiceLinks"] is False for pod in pods(rendered(name)).values())


@every_combination
def test_every_mount_has_a_volume(name: str) -> None:
    for owner, pod in pods(rendered(name)).items():
        mounts = {mount["name"] for mount in pod["containers"][0]["volumeMounts"]}
        assert mounts == {volume["name"] for volume in pod["volumes"]}, owner


@every_combination
def test_every_selector_finds_pods(name: str) -> None:
    objects = rendered(name)
    templates = [one["spec"]["template"] for one in of_kind(objects, "Deployment")]
    labels = [template["metadata"]["labels"].items() for template in templates]
    selectors = [
        one["spec"]["selector"]["matchLabels"]
        for one in of_kind(objects, "Deployment", "PodDisruptionBudget")
    ]
    selectors += [one["spec"]["selector"] for one in of_kind(objects, "Service")]
    selectors += [
        one["spec"]["podSelector"]["matchLabels"] for one in of_kind(objects, "NetworkPolicy")
    ]
    assert all(any(selector.items() <= one for one in labels) for selector in selectors)
    [monitored] = [
        one["spec"]["selector"]["matchLabels"] for one in of_kind(objects, "ServiceMonitor")
    ] or [{}]
    services = [one["metadata"]["labels"].items() for one in of_kind(objects, "Service")]
    assert any(monitored.items() <= one for one in services)


@pytest.mark.parametrize("part", ["api", "control"])
def test_a_pod_runs_the_command_of_the_compose_file(part: str) -> None:
    [container] = pods(rendered("bucket"))[f"zpruner-{part}"]["containers"]
    assert container["args"] == SERVICES[part]["command"]


def test_a_worker_takes_its_own_queues() -> None:
    found = pods(rendered("queues"))
    assert found.keys() == {
        f"zpruner-{name}" for name in ("api", "control", "migrate", "worker-cpu", "worker-h100")
    }
    [container] = found["zpruner-worker-h100"]["containers"]
    assert container["args"] == ["zpruner", "part", "worker", "-Q", "h100,gpu", "-n", "h100"]
    assert container["livenessProbe"]["exec"]["command"] == ["zpruner", "part", "ping", "h100"]
    assert setting("queues", "ZPRUNER_QUEUES") == "gpu,h100"


def test_a_worker_gets_the_gpus_that_it_is_told_to_use() -> None:
    found = pods(rendered("queues"))
    [on_gpus], [on_processors] = (
        found[f"zpruner-worker-{name}"]["containers"] for name in ("h100", "cpu")
    )
    assert on_gpus["resources"]["limits"]["nvidia.com/gpu"] == 2
    assert variables(on_gpus) == {"ZPRUNER_DEVICE": "cuda", "ZPRUNER_DEVICES": "2"}
    assert "nvidia.com/gpu" not in on_processors["resources"]["limits"]
    assert variables(on_processors) == {"ZPRUNER_DEVICE": "cpu", "ZPRUNER_DEVICES": "1"}
    assert "tolerations" not in found["zpruner-worker-cpu"]
    [tolerated] = found["zpruner-worker-h100"]["tolerations"]
    assert tolerated["key"] == "nvidia.com/gpu"


def test_pods_are_placed_where_the_values_say() -> None:
    found = pods(rendered("placed"))
    worker = found["zpruner-worker-gpu"]
    assert (worker["nodeSelector"], worker["runtimeClassName"]) == ({"pool": "gpu"}, "nvidia")
    assert worker["affinity"] == {"nodeAffinity": {}}
    assert found["zpruner-api"]["nodeSelector"] == {"pool": "small"}
    assert found["zpruner-control"]["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == 1
    assert {
        pod["serviceAccountName"] for owner, pod in found.items() if owner != "zpruner-migrate"
    } == {"mine"}
    assert of_kind(rendered("placed"), "ServiceAccount") == []


def test_a_worker_has_more_time_to_stop_than_it_takes_to_requeue_its_job() -> None:
    grace_s = pods(rendered("bucket"))["zpruner-worker-gpu"]["terminationGracePeriodSeconds"]
    assert f"{grace_s}s" == SERVICES["worker"]["stop_grace_period"]


def test_the_tables_are_migrated_before_anything_else_starts() -> None:
    [job] = of_kind(rendered("bucket"), "Job")
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    [container] = job["spec"]["template"]["spec"]["containers"]
    assert container["args"] == SERVICES["migrate"]["command"]
    assert job["spec"]["template"]["spec"]["serviceAccountName"] == "default"
    assert all("configMapRef" not in source for source in container["envFrom"])


def test_the_files_stay_when_the_release_is_deleted() -> None:
    [claim] = of_kind(rendered("shared"), "PersistentVolumeClaim")
    assert claim["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    for pod in without_migration(rendered("shared")):
        [data] = [one for one in pod["volumes"] if one["name"] == "data"]
        assert data["persistentVolumeClaim"] == {"claimName": claim["metadata"]["name"]}
    assert of_kind(rendered("shared-existing"), "PersistentVolumeClaim") == []


@pytest.mark.parametrize("change", COMBINATIONS)
def test_an_upgrade_to_other_values_loses_no_volume(change: str) -> None:
    before = render(deepcopy(SHARED))
    after = render(merged(SHARED, COMBINATIONS[change]))
    assert claims(before) <= claims(after) | kept(before)
    # A selector cannot be changed: such an upgrade fails half-way.
    selectors = {
        one["metadata"]["name"]: one["spec"]["selector"] for one in of_kind(before, "Deployment")
    }
    for one in of_kind(after, "Deployment"):
        assert one["spec"]["selector"] == selectors.get(
            one["metadata"]["name"], one["spec"]["selector"]
        )


def test_the_data_folder_is_below_its_volume() -> None:
    # The service makes the folder private, which only the owner of a folder can do.
    mounts = pods(rendered("bucket"))["zpruner-api"]["containers"][0]["volumeMounts"]
    [mount] = [one["mountPath"] for one in mounts if one["name"] == "data"]
    assert setting("bucket", "ZPRUNER_DATA_DIR") == f"{mount}/zpruner"


def test_the_api_is_alive_and_ready_without_workers() -> None:
    [container] = pods(rendered("keda"))["zpruner-api"]["containers"]
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert container[probe]["httpGet"]["path"] == "/healthz"


def test_the_api_accepts_the_names_that_clients_use() -> None:
    names = setting("ingress", "ZPRUNER_ALLOWED_HOSTS").split(",")
    assert {"zpruner", "zpruner.prune", "zpruner.prune.svc", "prune.example"} <= set(names)
    assert "prune.example" in setting("placed", "ZPRUNER_ALLOWED_HOSTS").split(",")


def test_keda_counts_the_jobs_that_wait_and_run_in_the_queues_of_a_worker() -> None:
    scaled = {
        one["spec"]["scaleTargetRef"]["name"]: one["spec"]
        for one in of_kind(rendered("queues-keda"), "ScaledObject")
    }
    assert scaled.keys() == {f"zpruner-worker-{name}" for name in ("gpu", "h100", "cpu")}
    [trigger] = scaled["zpruner-worker-h100"]["triggers"]
    assert 'namespace="prune",queue=~"h100|gpu"' in trigger["metadata"]["query"]
    assert {"zpruner_queue_depth", "zpruner_queue_running"} <= set(
        re.findall(r"zpruner_\w+", trigger["metadata"]["query"])
    )
    for one in of_kind(rendered("queues-keda"), "Deployment"):
        is_scaled = one["metadata"]["name"] in scaled
        assert ("replicas" in one["spec"]) != is_scaled


def test_the_api_is_scaled_by_its_processors() -> None:
    [scaler] = of_kind(rendered("autoscaled"), "HorizontalPodAutoscaler")
    [api] = [
        one
        for one in of_kind(rendered("autoscaled"), "Deployment")
        if one["metadata"]["name"] == scaler["spec"]["scaleTargetRef"]["name"]
    ]
    assert "replicas" not in api["spec"]


def test_only_the_api_accepts_connections() -> None:
    everything, api = of_kind(rendered("bucket"), "NetworkPolicy")
    assert everything["spec"]["policyTypes"] == ["Ingress", "Egress"]
    assert "ingress" not in everything["spec"]
    assert api["spec"]["podSelector"]["matchLabels"]["app.kubernetes.io/component"] == "api"
    [rule] = api["spec"]["ingress"]
    assert rule["ports"] == [{"port": "http"}]
    assert of_kind(rendered("open-network"), "NetworkPolicy", "PodDisruptionBudget") == []


def test_prometheus_gets_a_key_and_the_alerts() -> None:
    [monitor] = of_kind(rendered("monitoring"), "ServiceMonitor")
    [endpoint] = monitor["spec"]["endpoints"]
    assert endpoint["authorization"] == {"credentials": {"name": "scraper", "key": "key"}}
    assert monitor["metadata"]["labels"]["release"] == "prometheus"
    [rules] = of_kind(rendered("monitoring"), "PrometheusRule")
    assert rules["spec"] == yaml.safe_load((CHART / "monitoring" / "alerts.yaml").read_text())
    [boards] = [
        one
        for one in of_kind(rendered("monitoring"), "ConfigMap")
        if one["metadata"]["name"] == "zpruner-dashboards"
    ]
    assert boards["data"] == {
        path.name: path.read_text() for path in (CHART / "monitoring").glob("*.json")
    }


def test_two_releases_in_a_namespace_share_no_name() -> None:
    first, second = render(SHARED, "zpruner"), render(SHARED, "other")
    assert not {(one["kind"], one["metadata"]["name"]) for one in first} & {
        (one["kind"], one["metadata"]["name"]) for one in second
    }


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"data": {"bucket": "s3://a"}}, "secret is empty: set it to"),
        ({"secret": "a"}, "set either data.bucket"),
        (SHARED | {"data": {"bucket": "s3://a", "shared": {"enabled": True}}}, "set either data"),
        (BUCKET | {"images": {"api": {"tag": "latest"}}}, "images.api.tag is latest"),
        (BUCKET | {"ingress": {"enabled": True}}, "ingress.host is empty"),
        (BUCKET | {"monitoring": {"serviceMonitor": {"enabled": True}}}, "monitoring.keySecret"),
        (BUCKET | {"settings": {"ZPRUNER_DATABASE_URL": "a"}}, "settings.ZPRUNER_DATABASE_URL"),
        (BUCKET | {"workers": {"gpu": {"replica": 2}}}, "replica"),
        (BUCKET | {"workers": {"gpu": {"queues": ["H100"]}}}, "H100"),
        (BUCKET | {"data": {"bucket": "models"}}, "data"),
    ],
)  # fmt: skip
def test_wrong_values_are_refused_by_name(values: dict[str, Any], message: str) -> None:
    with pytest.raises(RefusedError, match=re.escape(message)):
        render(values)


def setting(name: str, variable: str) -> str:
    [found] = [
        one for one in of_kind(rendered(name), "ConfigMap") if one["metadata"]["name"] == "zpruner"
    ]
    return str(found["data"][variable])


def variables(container: dict[str, Any]) -> dict[str, str]:
    return {one["name"]: one["value"] for one in container["env"]}


def without_migration(objects: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [pod for owner, pod in pods(objects).items() if not owner.endswith("-migrate")]


def claims(objects: list[dict[str, Any]]) -> set[str]:
    return {one["metadata"]["name"] for one in of_kind(objects, "PersistentVolumeClaim")}


def kept(objects: list[dict[str, Any]]) -> set[str]:
    found = of_kind(objects, "PersistentVolumeClaim")
    policy = "helm.sh/resource-policy"
    return {
        one["metadata"]["name"]
        for one in found
        if one["metadata"].get("annotations", {}).get(policy) == "keep"
    }


def merged(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    return {**first, **second}
