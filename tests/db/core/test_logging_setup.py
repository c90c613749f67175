"""Logs as text and as JSON."""

import json
import logging
import threading
import warnings
from collections.abc import Iterator
from contextvars import copy_context

import pytest

from db.core.logging_setup import Format, configure, log_context


@pytest.fixture(autouse=True)
def _restore_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
    logging.captureWarnings(False)


def lines(style: Format, capsys: pytest.CaptureFixture[str]) -> list[str]:
    configure(style)
    log = logging.getLogger("worker.attempts.run")
    log.info("before")
    with log_context(job_id="job_1", attempt=2):
        log.warning("within %d%%", 50)
        beside = threading.Thread(target=copy_context().run, args=(log.error, "beside"))
        beside.start()
        beside.join()
        with log_context(request_id="r"):
            try:
                raise ValueError("why")
            except ValueError:
                log.exception("broken")
    log.debug("not logged")
    return capsys.readouterr().err.splitlines()


def test_every_json_line_is_an_object_with_the_fields_of_its_context(
    capsys: pytest.CaptureFixture[str],
) -> None:
    before, within, beside, broken = map(json.loads, lines("json", capsys))
    time = before.pop("time")
    assert before == {"level": "INFO", "logger": "worker.attempts.run", "message": "before"}
    assert time.startswith("20")
    assert within["message"] == "within 50%"
    assert (within["job_id"], within["attempt"]) == ("job_1", 2)
    assert beside["job_id"] == "job_1"
    assert (broken["request_id"], broken["job_id"]) == ("r", "job_1")
    assert "ValueError: why" in broken["exc_info"]


def test_a_traceback_has_no_secret(capsys: pytest.CaptureFixture[str]) -> None:
    configure("json")
    try:
        raise ValueError("redis://:hunter2@host")
    except ValueError:
        logging.getLogger("api").exception("broken")
    output = capsys.readouterr().err
    assert "hunter2" not in output
    assert "ValueError: redis://:***@host" in json.loads(output)["exc_info"]


def test_text_lines_have_level_logger_and_message(capsys: pytest.CaptureFixture[str]) -> None:
    first, second, *_ = lines("text", capsys)
    assert first.endswith(" INFO worker.attempts.run: before")
    assert second.endswith(" WARNING worker.attempts.run: within 50%")


def test_python_warnings_are_logged(capsys: pytest.CaptureFixture[str]) -> None:
    configure("json")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(True)
        warnings.warn("old", DeprecationWarning, stacklevel=1)
    output = json.loads(capsys.readouterr().err)
    assert (output["logger"], output["level"]) == ("py.warnings", "WARNING")
    assert "DeprecationWarning: old" in output["message"]


def test_uvicorn_uses_the_same_log_format(capsys: pytest.CaptureFixture[str]) -> None:
    logger = logging.getLogger("uvicorn.error")
    logger.handlers, logger.propagate, logger.level = [logging.StreamHandler()], False, 0
    configure("json")
    logger.warning("Started", extra={"color_message": "\x1b[36mStarted\x1b[0m"})
    output = json.loads(capsys.readouterr().err)
    assert (output["logger"], output["message"]) == ("uvicorn.error", "Started")
    assert "color_message" not in output
