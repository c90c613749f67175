"""Ends the whole run, with a log, once something that many tests need does not start."""

import pytest


class StartError(Exception):
    """Something that tests need does not start; the message has its log."""


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> None:
    """Run no further test after a failed start: each would wait for it again."""
    if call.excinfo is not None and isinstance(call.excinfo.value, StartError):
        item.session.shouldfail = str(call.excinfo.value)
