"""The two images, built from Dockerfile.gpu on stand-in bases."""

import json

import pytest

from tests.deploy.images.podman import Podman
from tools.lock import IMAGES

pytestmark = pytest.mark.timeout(3600)  # the first of them waits for the images
UNPRIVILEGED = (
    "--read-only",
    "--cap-drop=ALL",
    "--security-opt=no-new-privileges",
    "--network=none",
)
WITHOUT_TORCH = (
    "import importlib.util, sys; sys.exit(importlib.util.find_spec('torch') is not None)"
)
every_image = pytest.mark.parametrize("image", IMAGES)


def run(podman: Podman, image: str, *command: str) -> str:
    return podman("run", "--rm", *UNPRIVILEGED, f"localhost/zpruner-{image}", *command)


@every_image
def test_an_image_runs_as_an_ordinary_user_in_a_folder_of_its_own(
    podman: Podman, image: str
) -> None:
    [found] = json.loads(podman("image", "inspect", f"localhost/zpruner-{image}"))
    assert found["Config"]["User"] == "10001:10001"
    assert [*found["Config"]["Volumes"]] == ["/data"]
    assert run(podman, image, "stat", "--format=%u:%g", "/data") == "10001:10001\n"


@every_image
def test_an_image_holds_the_packages_that_are_locked(podman: Podman, image: str) -> None:
    assert run(podman, image, "python", "-m", "pip", "check") == "No broken requirements found.\n"
    assert "Usage: zpruner" in run(podman, image, "zpruner", "--help")


@every_image
def test_no_program_of_an_image_belongs_to_its_user(podman: Podman, image: str) -> None:
    assert run(podman, image, "find", "/opt", "/usr", "-user", "10001") == ""


def test_the_api_s_image_holds_the_page_and_no_torch(podman: Podman) -> None:
    run(podman, "api", "python", "-c", WITHOUT_TORCH)
    found = run(podman, "api", "find", "/opt/venv", "-path", "*/dashboard/dist/index.html")
    assert len(found.splitlines()) == 1


def test_the_worker_s_image_computes(podman: Podman) -> None:
    product = (
        "import torch, transformers; print((torch.ones(2, 3) @ torch.ones(3, 2)).sum().item())"
    )
    assert run(podman, "worker", "python", "-W", "ignore", "-c", product) == "12.0\n"
