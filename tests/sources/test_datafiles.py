from pathlib import Path
from typing import Any

import pytest

from db import datafiles
from db.datafiles import DataFile, IdsRow, TextRow
from db.errors import SpecRefusedError
from tests.sources.builders import jsonl


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
        (b"[1]", "no JSON object"),
        (b'{"page": "a"}', "neither"),
        (b'{"text": 1}', "neither"),
        (b'{"text": "\\ud800"}', "surrogate"),
        (b'{"text": "\xff"}', "UTF-8"),
        (b'{"input_ids": [1]}', "mixes"),
        (b'{"input_ids": []}', "no list"),
        (b'{"input_ids": "1"}', "no list"),
        (b'{"input_ids": [1, 1.5]}', "input_ids[1] is 1.5"),
        (b'{"input_ids": [true]}', "input_ids[0] is true"),
        (b'{"input_ids": [-1]}', "input_ids[0] is -1"),
        (b'{"input_ids": [9223372036854775808]}', "no token id"),
    ],
)
def test_a_bad_row_is_refused_with_its_line(tmp_path: Path, line: bytes, says: str) -> None:
    told = reason(data_file(tmp_path, b'{"text": "a"}\n' + line + b"\n"))
    assert "line 2" in told
    assert says in told


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "empty"),
        (b" \n ", "empty"),
        (b"a\nb\xff\n", "line 2 is not UTF-8 (byte 3)"),
        (b"a\nb\0", "line 2 holds a NUL byte"),
        (b"\x89PNG\r\n\x1a\n\0", "UTF-8"),
    ],
)
def test_a_text_that_is_none_is_refused(tmp_path: Path, content: Any, says: str) -> None:
    assert says in reason(data_file(tmp_path, content, "text.txt"))


def test_a_file_without_rows_is_refused(tmp_path: Path) -> None:
    assert "no rows" in reason(data_file(tmp_path, b"\n\n"))


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    assert "no such file" in reason(DataFile(tmp_path / "none.txt", "eval_dataset", "none.txt"))


def test_caps_hold_for_the_file_the_text_and_the_line(
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
