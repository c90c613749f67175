"""The container files, checked without a container engine."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

from db.startup.connection_limit import MOST_OF_A_PROCESS, OF_OTHERS
from tests.compose import COMPOSE, SERVICES
from tests.waiting import DEADLINE_S
from tools.lock import IMAGES
from zpruner.parts.programs import command
from zpruner.serve.serve import ServeSettings, children
from zpruner.serve.supervisor import Child

ROOT = Path(__file__).parent.parent
EXAMPLE = ROOT / ".env.example"
OURS = ("migrate", "api", "worker", "control")
FIXED = {
    f"ZPRUNER_{name}"
    for name in ("DATA_DIR", "DATABASE_URL", "BROKER_URL", "MODEL_ROOTS", "DATASET_ROOTS")
}
PASSWORDS = {"POSTGRES_PASSWORD": "one", "REDIS_PASSWORD": "two"}


def _has_compose() -> bool:
    docker = shutil.which("docker")
    version = [docker or "false", "compose", "version"]
    return bool(docker) and subprocess.run(version, capture_output=True).returncode == 0


def embedded() -> list[Child]:
    return children(ServeSettings(host="0.0.0.0", port=8000, auth="none"))


def part_command(child: Child) -> list[str]:
    """Return the `zpruner part` command that starts the same program."""
    start = command(child.name)
    assert child.command[: len(start)] == start
    return ["zpruner", "part", child.name, *child.command[len(start) :]]


@pytest.mark.parametrize("child", embedded(), ids=lambda child: child.name)
def test_compose_runs_the_commands_of_the_embedded_mode(child: Child) -> None:
    assert part_command(child) == SERVICES[child.name]["command"]


@pytest.mark.parametrize("child", embedded()[::2], ids=lambda child: child.name)
def test_an_image_runs_the_same_command_by_default(child: Child) -> None:
    arguments = ", ".join(f'"{argument}"' for argument in part_command(child))
    assert f"CMD [{arguments}]" in (ROOT / "Dockerfile.gpu").read_text()


@pytest.mark.parametrize("name", SERVICES)
def test_every_container_is_hardened(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["user"] not in ("root", "0", "0:0")
    assert not service.get("privileged")


@pytest.mark.parametrize("name", [name for name in SERVICES if name != "migrate"])
def test_every_long_running_container_has_a_health_check(name: str) -> None:
    assert SERVICES[name]["healthcheck"]["test"]


def test_only_the_api_and_grafana_listen_and_only_on_loopback() -> None:
    ports = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    api, grafana = "127.0.0.1:${ZPRUNER_PORT:-8000}:8000", "127.0.0.1:${GRAFANA_PORT:-3000}:3000"
    assert ports == {"api": [api], "grafana": [grafana]}


def test_prometheus_and_grafana_start_only_if_they_are_asked_for() -> None:
    asked_for = {name for name, service in SERVICES.items() if "profiles" in service}
    assert asked_for == {"prometheus", "grafana"}
    for name in asked_for:
        mounted = [mount.split(":")[0] for mount in SERVICES[name]["volumes"]]
        assert all((ROOT / path).exists() for path in mounted if path.startswith("./"))


def test_a_busy_worker_has_a_low_cpu_share() -> None:
    shares = {name: one["cpu_shares"] for name, one in SERVICES.items() if "cpu_shares" in one}
    assert shares == {"worker": 341}


def test_broker_and_database_have_no_access_to_outside_networks() -> None:
    networks = yaml.safe_load(COMPOSE.read_text())["networks"]
    assert networks["inside"] == {"internal": True}
    assert SERVICES["redis"]["networks"] == SERVICES["postgres"]["networks"] == ["inside"]


def test_the_database_allows_the_connections_of_four_processes_of_the_api() -> None:
    *_, setting = SERVICES["postgres"]["command"]
    name, _, allowed = setting.partition("=")
    assert name == "max_connections"
    assert int(allowed) >= 4 * MOST_OF_A_PROCESS + OF_OTHERS


def test_the_broker_persists_its_data() -> None:
    command = SERVICES["redis"]["command"]
    for option, value in (("--appendonly", "yes"), ("--maxmemory-policy", "noeviction")):
        assert command[command.index(option) + 1] == value


def test_the_database_is_migrated_before_the_service_starts() -> None:
    for name in OURS[1:]:
        after = SERVICES[name]["depends_on"]["migrate"]
        assert after == {"condition": "service_completed_successfully"}


def test_only_worker_and_control_request_a_gpu() -> None:
    requesting = {name for name, service in SERVICES.items() if "deploy" in service}
    (device,) = SERVICES["worker"]["deploy"]["resources"]["reservations"]["devices"]
    assert requesting == {"worker", "control"}
    assert device == {"driver": "nvidia", "count": 1, "capabilities": ["gpu"]}


def test_the_api_image_installs_no_torch() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = [*extras["dependencies"], *extras["optional-dependencies"]["api"]]
    needed += extras["optional-dependencies"]["service"]
    stage = (ROOT / "Dockerfile.gpu").read_text().split(" AS api")[1].split("\nFROM ")[0]
    assert re.findall(r"requirements/(\w+)\.txt", stage) == ["api"]
    assert "torch" not in locked("api")
    assert not [name for name in needed if re.match("torch|transformers|safetensors", name)]


def test_the_example_names_every_variable_that_compose_reads() -> None:
    read = set(re.findall(r"\$\{(\w+)", COMPOSE.read_text()))
    named = set(re.findall(r"^(?:# )?(\w+)=", EXAMPLE.read_text(), re.MULTILINE))
    optional = "ALLOWED_HOSTS API_WORKERS ARTIFACT_URL INPUT_URLS SECRETS_KEY WEBHOOK_NETWORKS"
    bucket = {f"AWS_{name}" for name in ("ACCESS_KEY_ID", "ENDPOINT_URL", "SECRET_ACCESS_KEY")}
    assert named == read | bucket | {f"ZPRUNER_{name}" for name in optional.split()}


def test_the_unchanged_example_is_valid_for_the_embedded_mode() -> None:
    assert ServeSettings.model_validate({"_env_file": EXAMPLE}).port == 8000


def test_every_setting_reaches_the_parts_except_those_fixed_by_the_containers() -> None:
    documented = set(re.findall(r"`(ZPRUNER_\w+)`", (ROOT / "docs" / "settings.md").read_text()))
    for name in OURS:
        assert SERVICES[name]["env_file"] == [{"path": ".env", "required": False}]
        fixed = SERVICES[name]["environment"]
        kept = {key for key, value in fixed.items() if f"${{{key}:-" in value}
        assert fixed.keys() - kept - {"HF_HOME"} == FIXED
    assert documented > FIXED
    assert not [name for name in SERVICES if name not in OURS and "env_file" in SERVICES[name]]


def locked(image: str) -> dict[str, str]:
    """Return the versions that an image installs, by name; each has a hash."""
    lines = (ROOT / "requirements" / f"{image}.txt").read_text().replace("\\\n", "").splitlines()
    pins = [re.match(r"([\w.-]+)==(\S+)", line) for line in lines if not line.startswith("#")]
    assert all("--hash=sha256:" in line for line in lines if not line.startswith("#"))
    return {pin[1]: pin[2] for pin in pins if pin is not None}


def test_the_images_install_only_what_is_locked_with_hashes() -> None:
    installs = re.findall(r"pip install (.*)", (ROOT / "Dockerfile.gpu").read_text())
    assert len(installs) == 5
    assert all("--require-hashes" in one or "--no-index" in one for one in installs)


@pytest.mark.parametrize(("image", "extras"), IMAGES.items())
def test_every_requirement_of_an_image_is_locked(image: str, extras: tuple[str, ...]) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    optional, versions = project["optional-dependencies"], locked(image)
    waiting, lines = [*extras], [*project["dependencies"]]
    while waiting:
        needed = [Requirement(line) for line in optional[waiting.pop()]]
        lines += [str(one) for one in needed if one.name != project["name"]]
        waiting += [extra for one in needed if one.name == project["name"] for extra in one.extras]
    for requirement in map(Requirement, lines):
        assert versions[requirement.name] in requirement.specifier


def test_images_of_others_are_named_by_digest() -> None:
    bases = re.findall(
        r"^ARG \w+_IMAGE=(\S+)$", (ROOT / "Dockerfile.gpu").read_text(), re.MULTILINE
    )
    images = [*bases, *(SERVICES[name]["image"] for name in SERVICES if name not in OURS)]
    assert len(images) == 7
    assert all(re.fullmatch(r"[\w./-]+:[\w.-]+@sha256:[0-9a-f]{64}", image) for image in images)


def test_the_workflow_runs_the_same_checks_as_everyone_with_actions_named_by_commit() -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())
    steps = {name: job["steps"] for name, job in workflow["jobs"].items()}
    runs = {name: [step["run"] for step in each if "run" in step] for name, each in steps.items()}
    assert runs == {"test": [".ci/run"], "versions": ["make ${{ matrix.target }}"]}
    targets = workflow["jobs"]["versions"]["strategy"]["matrix"]["target"]
    assert targets == ["test-latest", "test-lowest"]
    used = [step["uses"] for each in steps.values() for step in each if "uses" in step]
    assert all(re.search(r"@[0-9a-f]{40}$", one) for one in used)
    assert workflow["permissions"] == {"contents": "read"}


def test_hadolint_finds_nothing_in_the_dockerfile() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([hadolint, "Dockerfile.gpu"], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.skipif(not _has_compose(), reason="docker compose is not installed here")
def test_compose_accepts_the_file_and_insists_on_passwords() -> None:
    accepted = _compose_config(PASSWORDS)
    refused = _compose_config({})
    assert (accepted.returncode, accepted.stderr) == (0, "")
    assert refused.returncode != 0
    assert "set it in .env" in refused.stderr


def _compose_config(variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
    # --env-file: the user's .env must not affect the test.
    command = ("docker", "compose", "--env-file", "/dev/null", "config", "--quiet")
    path = {"PATH": str(Path(shutil.which("docker") or "").parent), "HOME": "/nonexistent"}
    return subprocess.run(
        command, cwd=ROOT, env=path | variables, capture_output=True, text=True, timeout=DEADLINE_S
    )


def test_every_dependency_has_a_documented_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    lists = [project["project"]["dependencies"]]
    lists += project["project"]["optional-dependencies"].values()
    lists += project["dependency-groups"].values()
    names = {re.split(r"[\[<>=]", line)[0] for lines in lists for line in lines} - {"zpruner"}
    documented = (ROOT / "docs" / "dependencies.md").read_text()
    assert sorted(name for name in names if not re.search(rf"\b{name}\b", documented)) == []
