"""The log of a process, for people and for machines."""

import json
import logging
import threading
import warnings
from collections.abc import Iterator
from contextvars import copy_context

import pytest

from db.core.logging_setup import Format, configure, log_context


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
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
        threading.Thread(target=copy_context().run, args=(log.error, "beside")).start()
        with log_context(request_id="r"):
            try:
                raise ValueError("why")
            except ValueError:
                log.exception("broken")
    log.debug("nobody asked")
    return capsys.readouterr().err.splitlines()


def test_every_line_is_one_object_that_tells_what_it_is_about(
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


def test_a_traceback_shows_no_secret(capsys: pytest.CaptureFixture[str]) -> None:
    configure("json")
    try:
        raise ValueError("redis://:hunter2@host")
    except ValueError:
        logging.getLogger("api").exception("broken")
    told = capsys.readouterr().err
    assert "hunter2" not in told
    assert "ValueError: redis://:***@host" in json.loads(told)["exc_info"]


def test_text_is_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    first, second, *_ = lines("text", capsys)
    assert first.endswith(" INFO worker.attempts.run: before")
    assert second.endswith(" WARNING worker.attempts.run: within 50%")


def test_a_warning_of_python_s_is_a_line_like_any_other(capsys: pytest.CaptureFixture[str]) -> None:
    configure("json")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(True)
        warnings.warn("old", DeprecationWarning, stacklevel=1)
    told = json.loads(capsys.readouterr().err)
    assert (told["logger"], told["level"]) == ("py.warnings", "WARNING")
    assert "DeprecationWarning: old" in told["message"]


def test_uvicorn_s_lines_are_ours(capsys: pytest.CaptureFixture[str]) -> None:
    logger = logging.getLogger("uvicorn.error")
    logger.handlers, logger.propagate, logger.level = [logging.StreamHandler()], False, 0
    configure("json")
    logger.info("Started", extra={"color_message": "\x1b[36mStarted\x1b[0m"})
    told = json.loads(capsys.readouterr().err)
    assert (told["logger"], told["message"]) == ("uvicorn.error", "Started")
    assert "color_message" not in told
