import io
import json
import logging
import os
import re
import subprocess
import sys
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from db.access.tokens import Token
from db.core import redaction
from db.core.redaction import HIDDEN, redact
from db.schema.migration import migrate

ROOT = Path(__file__).parents[3]
TOKEN = Token.new("key_" + "0" * 32).text
HUB_TOKEN = "hf_" + "a1B2" * 9


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """Collect the output of a plain handler of the root logger while records are redacted."""
    before = logging.getLogRecordFactory()
    redaction.install()
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    logging.getLogger().addHandler(handler)
    yield written
    logging.getLogger().removeHandler(handler)
    logging.setLogRecordFactory(before)


@pytest.mark.parametrize(
    ("text", "canary"),
    [
        (f"GET /v1/jobs?key={TOKEN}", TOKEN),
        (f"/v1/artifacts/art_1/content?expires=1&sig={'c0' * 32}", "c0c0"),
        (f"cut {TOKEN[:50]}", TOKEN[37:50]),
        (f"Authorization: Bearer {TOKEN}", TOKEN),
        ("{'authorization': 'Bearer canary.canary'}", "canary"),
        ("[(b'authorization', b'Basic Y2FuYXJ5')]", "Y2FuYXJ5"),
        ("headers: authorization=canary", "canary"),
        ("sent bearer canary-canary", "canary"),
        ("cannot reach postgresql+psycopg://zpruner:canary@postgres:5432/zpruner", "canary"),
        ("redis://:canary@redis:6379/0 refused", "canary"),
        (f"token {HUB_TOKEN} is not valid", HUB_TOKEN),
        ("PUT https://s3/a?X-Amz-Date=1&X-Amz-Signature=canary&x=1", "canary"),
        ("received Basic Y2FuYXJ5OmNhbmFyeQ==", "Y2FuYXJ5"),
        ('{"sent": "basic%20Y2FuYXJ5OmNhbmFyeQ"}', "Y2FuYXJ5"),
        ("Basic ***mNhbmFyeQ==", "mNhbmFyeQ"),
    ],
    ids=range(15),  # a test's name should be the same on every run, and hold no secret
)
def test_a_secret_is_removed_from_any_text(text: str, canary: str) -> None:
    assert canary in text
    assert canary not in redact(text)
    assert redaction.HIDDEN in redact(text)


@pytest.mark.parametrize(
    "text",
    [
        "job job_0192 failed at http://127.0.0.1:8000/v1/jobs, gpu@host",
        "HF_ENDPOINT and hf_hub_download are no secrets",
        "redis://redis:6379/0",
        "key_01920c3a9d4b7f6e8c1a2b3c4d5e6f70 was revoked",
        "Basic authentication with basic information about Basic Authorization",
    ],
)
def test_other_text_is_kept(text: str) -> None:
    assert redact(text) == text


def test_a_registered_value_is_removed_and_the_oldest_is_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(redaction, "_values", {})
    monkeypatch.setattr(redaction, "MAX_VALUES", 2)
    for value in ("first.canary", "second.canary", "first.canary", "third.canary"):
        redaction.register(value)
    assert redact("first.canary second.canary third.canary") == "*** second.canary ***"


def in_base64(before: str, value: str, after: str) -> str:
    return b64encode(f"{before}{value}{after}".encode()).decode()


ENCODINGS: dict[str, tuple[Callable[[str], str], int]] = {
    "plain": (str, 0),
    "Base64": (lambda value: in_base64("", value, ""), 3),
    "Base64 after one byte": (lambda value: in_base64("1", value, ""), 5),
    "Base64 after two bytes": (lambda value: in_base64("12", value, "3"), 8),
    "Base64 in a longer text": (lambda value: in_base64("user-123:", value, "\n45"), 20),
    "Base64 for URLs": (lambda value: urlsafe_b64encode(f"?{value}?".encode()).decode(), 6),
    "Base64 in a URL": (lambda value: quote(in_base64("", value, "1"), safe=""), 9),
    "Base64 in JSON": (lambda value: in_base64("12", value, "").replace("/", "\\/"), 7),
    "hexadecimal": (lambda value: value.encode().hex(), 0),
    "hexadecimal in capitals": (lambda value: value.encode().hex().upper(), 0),
    "a URL": (lambda value: quote(value, safe=""), 0),
    "a path": (quote, 0),
    "a URL in small letters": (lambda value: small(quote(value, safe="")), 0),
    "JSON": (lambda value: json.dumps(value)[1:-1], 0),
    "JSON with slashes": (lambda value: json.dumps(value)[1:-1].replace("/", "\\/"), 0),
}


def small(quoted: str) -> str:
    return re.sub("%..", lambda found: found[0].lower(), quoted)


@pytest.mark.parametrize("secret", ["can/ary+77", "user:C~an_ary", 'can"ä?>>?~ary', "a" * 8])
@pytest.mark.parametrize(("encode", "others"), ENCODINGS.values(), ids=ENCODINGS)
def test_a_registered_value_is_removed_in_each_encoding(
    secret: str, encode: Callable[[str], str], others: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At most as much is left as encodes other text, or some bits of the value's ends."""
    monkeypatch.setattr(redaction, "_values", {})
    redaction.register(secret)
    found = redact(f"it sent <{encode(secret)}>")
    assert HIDDEN in found
    assert len(found) - len(f"it sent <{HIDDEN}>") <= others


@pytest.mark.parametrize("value", ["", "a", "work", "model"])
def test_a_short_value_is_not_removed_because_other_texts_have_it(
    value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redaction, "_values", {})
    redaction.register(value)
    assert redact("a worker read the model") == "a worker read the model"


@pytest.mark.parametrize(
    "secret", [TOKEN, HUB_TOKEN, f"sent bearer {'c0' * 32}"], ids=["key", "hub", "bearer"]
)
def test_the_rest_of_a_secret_that_has_a_registered_value_in_it_is_removed(
    secret: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redaction, "_values", {})
    redaction.register(secret[-20:-12])
    assert secret[-12:] not in redact(secret)


def test_no_logger_writes_a_secret_in_its_message_or_in_a_traceback(
    log: io.StringIO,
) -> None:
    logger = logging.getLogger("some.library")
    logger.warning("connecting to %s with %r", "redis://:canary@host", {"key": TOKEN})
    try:
        raise ValueError(f"not valid: {TOKEN}")
    except ValueError:
        logger.exception("it failed: %s", TOKEN)
    output = log.getvalue()
    assert "canary" not in output
    assert TOKEN[37:] not in output
    assert output.count("zpr_***") == 3
    assert "ValueError" in output


@pytest.mark.parametrize(
    "start", ["import worker.tasks", "from api.app import create_app as c; c()"]
)
def test_every_part_of_the_service_logs_without_secrets(start: str, tmp_path: Path) -> None:
    migrate(f"sqlite:///{tmp_path / 'zpruner.db'}")  # the API starts only on a migrated database
    write = "import logging; logging.getLogger('any').error('to redis://:canary@host')"
    env = os.environ | {"ZPRUNER_DATA_DIR": str(tmp_path)}
    command = [sys.executable, "-c", f"{start}\n{write}"]
    done = subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr.endswith("to redis://:***@host\n")
    assert "canary" not in done.stderr


def test_a_message_that_cannot_be_formatted_is_still_reported(
    log: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    handler = logging.StreamHandler(io.StringIO())
    logger = logging.Logger("alone")
    logger.addHandler(handler)
    logger.warning("%d", "no number")
    assert "--- Logging error ---" in capsys.readouterr().err
