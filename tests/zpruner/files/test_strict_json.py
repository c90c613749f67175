import pytest

from zpruner.files import strict_json
from zpruner.files.strict_json import MAX_DEPTH, parse_json


def nested(depth: int) -> bytes:
    return b"[" * depth + b"]" * depth


def test_json_is_parsed() -> None:
    assert parse_json('{"a": [1, "ü", null]}'.encode()) == {"a": [1, "ü", None]}
    assert parse_json(nested(MAX_DEPTH)) is not None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{]",
        "{}".encode("utf-16"),
        b"\xef\xbb\xbf{}",
        b'"\xed\xa0\x80"',
        b'{"a": 1, "a": 2}',
        nested(MAX_DEPTH + 1),
        nested(100_000),
        b'{"a": ' * 1000 + b"1" + b"}" * 1000,
        b"9" * 5000,
    ],
)
def test_what_a_later_reader_could_refuse_or_read_otherwise_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - of any kind
        parse_json(content)


def test_too_many_values_are_refused_before_they_are_parsed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(strict_json, "MAX_VALUES", 10)
    assert len(parse_json(b"[" + b"[]," * 4 + b"[]]")) == 5
    with pytest.raises(ValueError, match="too many values"):
        parse_json(b"[" + b"[]," * 5 + b"]")
