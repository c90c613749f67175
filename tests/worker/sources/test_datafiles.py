from io import BytesIO
from pathlib import Path
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped] # it has none
import pyarrow.parquet as pq  # type: ignore[import-untyped] # it has none
import pytest

from db.core.errors import SpecRefusedError
from db.spec.datasets import files as datafiles
from db.spec.datasets.files import ChatRow, DataFile, IdsRow, TextRow
from tests.worker.sources.builders import jsonl, parquet


def data_file(tmp_path: Path, content: bytes, name: str = "rows.jsonl") -> DataFile:
    (tmp_path / name).write_bytes(content)
    return DataFile(tmp_path / name, "dataset", f"local:{name}")


def reason(file: DataFile) -> str:
    with pytest.raises(SpecRefusedError) as refused:
        list(file.rows())
    assert (refused.value.field, refused.value.value) == (file.field, file.name)
    assert refused.value.code == "unreadable_dataset"
    assert refused.value.remedy
    return refused.value.reason


def test_a_text_is_one_row_with_its_line_ends_as_they_are(tmp_path: Path) -> None:
    file = data_file(tmp_path, b"one\r\ntwo\n\xc3\xa9", "text.txt")
    assert list(file.rows()) == [TextRow(1, "one\r\ntwo\né")]


def test_rows_of_text_know_their_lines(tmp_path: Path) -> None:
    file = data_file(tmp_path, b'{"text": "a"}\n\n{"text": "", "more": 1}\r\n')
    assert list(file.rows()) == [TextRow(1, "a"), TextRow(3, "")]


def test_rows_of_ids_are_integers_of_64_bits(tmp_path: Path) -> None:
    (row,) = data_file(tmp_path, jsonl([[0, 2**40]], "input_ids")).rows()
    assert isinstance(row, IdsRow)
    assert (row.line, row.ids.tolist(), row.ids.itemsize) == (1, [0, 2**40], 8)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (b"{", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b'{"text": ' + b"9" * 5000 + b"}", "not JSON"),
        (b"[1]", "not a JSON object"),
        (b'{"page": "a", "id": 1}', "has no field 'text'; its fields are page, id"),
        (b'{"text": 1}', "neither"),
        (b'{"text": null}', "text is null, neither"),
        (b'{"text": {"a": 1}}', "text is an object, neither"),
        (b'{"text": [{"role": "user", "content": "a"}]}', "mixes"),
        (b'{"text": "\\ud800"}', "surrogate"),
        (b'{"text": "\xff"}', "UTF-8"),
        (b'{"input_ids": [1]}', "has no field 'text'; its fields are input_ids"),
    ],
)
def test_a_bad_row_is_refused_with_its_line(tmp_path: Path, line: bytes, says: str) -> None:
    message = reason(data_file(tmp_path, b'{"text": "a"}\n' + line + b"\n"))
    assert "line 2" in message
    assert says in message


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("input_ids", [], "not a list"),
        ("input_ids", "1", "not a list"),
        ("input_ids", [1, 1.5], "input_ids[1] is 1.5"),
        ("input_ids", [True], "input_ids[0] is true"),
        ("input_ids", [-1], "input_ids[0] is -1"),
        ("input_ids", [[1]], "input_ids[0] is a list"),
        ("input_ids", [2**63], "not a token id"),
        ("messages", [], "has no messages"),
        ("messages", ["a"], "messages[0] needs a string role and content"),
        ("messages", [{"role": "user"}], "messages[0] needs a string role and content"),
        ("messages", [{"role": 1, "content": "a"}], "messages[0] needs a string role and content"),
        ("messages", [{"role": "user", "content": "\ud800"}], "surrogate"),
    ],
)
def test_a_bad_row_of_ids_or_messages_is_refused_with_its_line(
    tmp_path: Path, key: str, value: Any, says: str
) -> None:
    good = {"input_ids": [1], "messages": [{"role": "user", "content": "a"}]}[key]
    message = reason(data_file(tmp_path, jsonl([good, value], key)))
    assert "line 2" in message
    assert says in message


CHAT = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
TABLE = 'id,body,text\n1,"one,\ntwo",x\n\n2,drei é,y\n'.encode()


def parquet_file(rows: dict[str, list[Any]]) -> bytes:
    buffer = BytesIO()
    pq.write_table(pa.table(rows), buffer)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "text_field", "rows"),
    [
        ("a.jsonl", b'{"body": "a", "text": "b"}', "body", [TextRow(1, "a")]),
        ("a.jsonl", jsonl([CHAT], "messages"), None, [ChatRow(1, CHAT)]),
        ("a.jsonl", jsonl([CHAT], "talk"), "talk", [ChatRow(1, CHAT)]),
        ("a.csv", TABLE, None, [TextRow(3, "x"), TextRow(5, "y")]),
        ("a.CSV", b"\xef\xbb\xbf" + TABLE, "body",
         [TextRow(3, "one,\ntwo"), TextRow(5, "drei é")]),
        ("a.tsv", b"id\tbody\n1\ta,b\n", "body", [TextRow(2, "a,b")]),
        ("a.parquet", parquet_file({"id": [1, 2], "text": ["a", "b"]}), None,
         [TextRow(1, "a"), TextRow(2, "b")]),
        ("a.parquet", parquet_file({"id": [1], "talk": [CHAT]}), "talk", [ChatRow(1, CHAT)]),
    ],
)  # fmt: skip
def test_the_chosen_field_or_column_is_read_and_no_other(
    tmp_path: Path, name: str, content: bytes, text_field: str | None, rows: list[Any]
) -> None:
    (tmp_path / name).write_bytes(content)
    assert list(DataFile(tmp_path / name, "dataset", name, text_field).rows()) == rows


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.jsonl", b'{"id": "1", "body": "a"}'),
        ("a.csv", b"id,body\n1,a\n"),
        ("a.parquet", parquet_file({"id": ["1"], "body": ["a"]})),
    ],
)
@pytest.mark.parametrize("field", ["dataset", "eval_dataset"])
def test_a_field_that_is_not_there_is_refused_with_those_that_are(
    tmp_path: Path, name: str, content: bytes, field: str
) -> None:
    (tmp_path / name).write_bytes(content)
    choice = {"dataset": "text_field", "eval_dataset": "eval_text_field"}[field]
    for chosen, pointed, code in (
        (None, field, "unreadable_dataset"),
        ("nope", choice, "unknown_text_field"),
    ):
        with pytest.raises(SpecRefusedError) as refused:
            list(DataFile(tmp_path / name, field, name, chosen).rows())
        assert (refused.value.field, refused.value.code) == (pointed, code)
        assert "its fields are id, body" in refused.value.reason
        assert f"Set {choice}" in refused.value.remedy


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.csv", b"", "no rows"),
        ("a.csv", b"text\n", "no rows"),
        ("a.csv", b"text,text\na,b\n", "does not name each column once"),
        ("a.csv", b"text,\na,b\n", "does not name each column once"),
        ("a.csv", b"text,id\na\n", "line 2 has 1 cells, the first 2"),
        ("a.csv", b'text\n"a" b\n', "line 2 is not CSV"),
        ("a.csv", b'text\n"a\n', "is not CSV"),
        ("a.csv", b"text\na\0\n", "NUL"),
        ("a.csv", b"text\n\xff\n", "line 2 is not UTF-8"),
        ("a.parquet", b"PAR1 but nothing else PAR1", "not a readable Parquet file"),
        ("a.parquet", b"", "not a readable Parquet file"),
    ],
)
def test_a_malformed_table_is_refused(tmp_path: Path, name: str, content: bytes, says: str) -> None:
    assert says in reason(data_file(tmp_path, content, name))


def test_a_plain_text_has_no_fields_to_choose(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("text")
    with pytest.raises(SpecRefusedError) as refused:
        list(DataFile(tmp_path / "a.txt", "dataset", "a.txt", "text").rows())
    assert (refused.value.field, refused.value.code) == ("text_field", "unknown_text_field")
    assert "plain text" in refused.value.reason


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "empty"),
        (b" \n ", "empty"),
        (b"a\nb\xff\n", "line 2 is not UTF-8 (byte 3)"),
        (b"a\nb\0", "line 2 has a NUL byte"),
        (b"\x89PNG\r\n\x1a\n\0", "UTF-8"),
    ],
)
def test_a_file_that_is_not_text_is_refused(tmp_path: Path, content: Any, says: str) -> None:
    assert says in reason(data_file(tmp_path, content, "text.txt"))


def test_a_file_without_rows_is_refused(tmp_path: Path) -> None:
    assert "no rows" in reason(data_file(tmp_path, b"\n\n"))


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    assert "no such file" in reason(DataFile(tmp_path / "none.txt", "eval_dataset", "none.txt"))


def test_limits_apply_to_the_file_the_text_and_the_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = data_file(tmp_path, jsonl(["a" * 90] * 3))
    text = data_file(tmp_path, b"a" * 300, "text.txt")
    monkeypatch.setattr(datafiles, "MAX_TEXT_BYTES", 250)
    assert "larger" in reason(text)
    assert "more than" in reason(rows)
    monkeypatch.setattr(datafiles, "MAX_LINE_BYTES", 50)
    assert "line 1 is longer" in reason(rows)
    monkeypatch.setattr(datafiles, "MAX_FILE_BYTES", 299)
    assert "larger" in reason(rows)


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.parquet"])
def test_too_many_rows_are_refused_even_if_they_are_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(datafiles, "MAX_ROWS", 100)
    make = jsonl if name.endswith("jsonl") else parquet
    assert len(list(data_file(tmp_path, make([""] * 100), name).rows())) == 100
    assert "more than 100 rows" in reason(data_file(tmp_path, make([""] * 101), name))


def test_a_row_of_a_table_is_limited_even_if_it_goes_on_over_many_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(datafiles, "MAX_LINE_BYTES", 1000)
    rows = b"text\n" + b"a\n" * 1000
    assert len(list(data_file(tmp_path, rows, "rows.csv").rows())) == 1000
    endless = b"text\na\n" + b'"a\n",' * 1000
    assert "longer than" in reason(data_file(tmp_path, endless, "rows.csv"))
