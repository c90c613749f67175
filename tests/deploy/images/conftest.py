"""These tests take minutes and gigabytes, so they run only if their folder is named."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.images.build import build_images
from tests.deploy.images.podman import Podman, missing_programs
from tests.deploy.images.topology import Topology, started

FOLDER = Path(__file__).parent


def pytest_ignore_collect(config: pytest.Config) -> bool | None:
    named = [Path(argument.partition("::")[0]).resolve() for argument in config.args]
    return None if any(FOLDER in (path, *path.parents) for path in named) else True


@pytest.fixture(scope="session")
def podman() -> Podman:
    """The container engine, with the service's two images."""
    if missing := missing_programs():
        pytest.exit(f"The images are not tested: {missing}", returncode=1)
    podman = Podman()
    build_images(podman)
    return podman


@pytest.fixture(scope="session")
def topology(podman: Podman, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Topology]:
    """The services of docker-compose.yml and a bucket; all are healthy."""
    with started(podman, tmp_path_factory.mktemp("topology")) as topology:
        yield topology
