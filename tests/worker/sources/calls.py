"""The calls that tests of windows make, with every option filled."""

from pathlib import Path
from typing import Any

import pytest

from db.core.errors import SpecRefusedError
from db.spec.inputs.references import DatasetReference, LocalPath
from tests.worker.sources.builders import jsonl
from worker.sources.calibration import CalibrationPart
from worker.sources.encoding import Tokenizer
from worker.sources.windows import Windows


def local(tmp_path: Path, content: bytes | str, name: str = "text.txt") -> LocalPath:
    data = content.encode() if isinstance(content, str) else content
    (tmp_path / name).write_bytes(data)
    return LocalPath(tmp_path / name, f"local:{name}")


def id_rows(tmp_path: Path, count: int, length: int = 4) -> LocalPath:
    rows = [[row * 10 + column for column in range(length)] for row in range(count)]
    return local(tmp_path, jsonl(rows, "input_ids"), "ids.jsonl")


def calibrate(
    reference: DatasetReference,
    tokenizer: Tokenizer | None,
    samples: int | None = None,
    seq_len: int = 8,
    seed: int = 0,
    **options: Any,
) -> Windows:
    return CalibrationPart(reference, tokenizer, seq_len, **options).windows(samples, seed)


def decoded(tokenizer: Any, windows: Windows) -> list[str]:
    return [tokenizer.decode(ids) for ids in windows.ids]


def no_chat(messages: Any, where: str) -> str:
    """Stand for a tokenizer where no chat is expected."""
    raise AssertionError(where)


def refusal(call: Any, *args: Any, **options: Any) -> SpecRefusedError:
    with pytest.raises(SpecRefusedError) as refused:
        call(*args, **options)
    assert refused.value.reason
    assert refused.value.remedy
    return refused.value
