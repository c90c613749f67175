"""These tests need helm and schemas of Kubernetes, so they run only if their folder is named."""

from pathlib import Path

import pytest

FOLDER = Path(__file__).parent


def pytest_ignore_collect(config: pytest.Config) -> bool | None:
    named = [Path(argument.partition("::")[0]).resolve() for argument in config.args]
    return None if any(FOLDER in (path, *path.parents) for path in named) else True
