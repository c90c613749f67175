from pathlib import Path

import pytest

from db.files.dataset_preview import MAX_CHARACTERS, MAX_LINES, READ_BYTES, preview


@pytest.mark.parametrize(
    ("name", "content", "fields"),
    [
        ("a.txt", "first\nsecond\n", []),
        ("a.jsonl", '{"text": "a", "id": 1}\n{"text": "b"}\n', ["text", "id"]),
        ("a.jsonl", '{"text": "a\u2028b\u2029c\x85d", "id": 1}\r\n\r\n{}\r\n', ["text", "id"]),
        ("a.csv", 'title,"body, long"\na,b\n', ["title", "body, long"]),
        ("a.jsonl", '{"text": "' + "x" * READ_BYTES, []),
        ("a.jsonl", "[" * 50_000, []),
        ("a.txt", "", []),
    ],
)
def test_a_preview_has_the_first_lines_and_the_fields_of_the_first_row(
    tmp_path: Path, name: str, content: str, fields: list[str]
) -> None:
    path = tmp_path / name
    path.write_text(content, newline="")

    found = preview(path)

    assert found.fields == fields
    lines = content.replace("\r\n", "\n").removesuffix("\n").split("\n") if content else []
    assert found.lines == [line[:MAX_CHARACTERS] for line in lines]


def test_a_preview_is_short_for_any_file(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("ä" * READ_BYTES + "\n" * READ_BYTES)
    assert [len(line) for line in preview(path).lines] == [MAX_CHARACTERS]
    path.write_text("line\n" * 1000)
    assert preview(path).lines == ["line"] * MAX_LINES
    assert preview(tmp_path / "missing.txt").lines == []
