"""A worker announces the extras that are installed as a whole."""

from importlib.metadata import version

import pytest

from worker.pool.extras import installed_extras


def test_an_extra_is_announced_with_a_version_if_none_of_its_packages_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    packages = {"eval": ("lm_eval",), "two": ("lm_eval", "no-such-package"), "no": ("missing",)}
    monkeypatch.setattr("worker.pool.extras.EXTRAS", packages)
    assert installed_extras() == {"eval": version("lm_eval")}
