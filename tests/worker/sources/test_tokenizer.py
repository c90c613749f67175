"""A tokenizer is tried in a bounded process before a worker loads it."""

import json
from pathlib import Path
from typing import Any

import pytest

from db.core.errors import SpecRefusedError
from tests.worker.sources.builders import byte_tokenizer
from worker.sources import tokenizer as sources
from worker.sources.encoding import Encoder
from worker.sources.tokenizer import load_tokenizer


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tokenizer: Any = byte_tokenizer()
    tokenizer.save_pretrained(tmp_path)
    return tmp_path


@pytest.fixture(autouse=True)
def try_every_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "SMALL_BYTES", 0)


def refusal(folder: Path) -> SpecRefusedError:
    with pytest.raises(SpecRefusedError) as refused:
        load_tokenizer(folder, "org/model")
    assert (refused.value.field, refused.value.code) == ("model", "malformed_tokenizer")
    assert str(folder) not in refused.value.reason
    assert refused.value.remedy
    return refused.value


def test_a_valid_tokenizer_is_loaded(folder: Path) -> None:
    tokenizer = load_tokenizer(folder, "org/model")
    assert tokenizer is not None
    assert tokenizer.decode(tokenizer("abc", add_special_tokens=False)["input_ids"]) == "abc"


def test_a_folder_without_a_tokenizer_has_none(tmp_path: Path) -> None:
    assert load_tokenizer(tmp_path, "org/model") is None


@pytest.mark.parametrize("content", [b"{}", b"[", b"[" * 100_000, b'{"model": {"type": 1}}'])
def test_an_invalid_tokenizer_is_refused(folder: Path, content: bytes) -> None:
    (folder / "tokenizer.json").write_bytes(content)
    assert "tokenizer.json cannot be loaded" in refusal(folder).reason


def test_a_small_tokenizer_that_cannot_be_loaded_is_refused_too(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "SMALL_BYTES", 1 << 20)
    (folder / "tokenizer.json").write_bytes(b"{}")
    assert "cannot be loaded" in refusal(folder).reason


def test_a_tokenizer_that_takes_too_much_memory_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "MEMORY_BYTES", 96 << 20)
    written = json.loads((folder / "tokenizer.json").read_text())
    written["model"]["vocab"] |= {f"token {number}": 300 + number for number in range(400_000)}
    (folder / "tokenizer.json").write_text(json.dumps(written))
    assert "96 MiB of memory" in refusal(folder).reason


def test_a_small_tokenizer_that_takes_too_much_memory_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "SMALL_BYTES", 1 << 20)
    monkeypatch.setattr(sources, "SMALL_MEMORY_BYTES", 256 << 20)
    written = json.loads((folder / "tokenizer.json").read_text())
    grow = {"type": "Replace", "pattern": {"String": "a"}, "content": "a" * 10}
    written["normalizer"] = {"type": "Sequence", "normalizers": [grow] * 60}
    (folder / "tokenizer.json").write_text(json.dumps(written))
    assert "256 MiB of memory" in refusal(folder).reason


def test_a_tokenizer_whose_pattern_never_ends_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "CPU_S", 2)
    written = json.loads((folder / "tokenizer.json").read_text())
    split = {"type": "Split", "pattern": {"Regex": "(a|a|aa)+b"}, "behavior": "Isolated"}
    written["pre_tokenizer"] = split | {"invert": False}
    (folder / "tokenizer.json").write_text(json.dumps(written))
    reason = refusal(folder).reason
    assert "2 seconds" in reason or "retry-limit" in reason


def test_a_tokenizer_that_fails_when_it_encodes_is_refused(folder: Path) -> None:
    config = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps(config | {"model_max_length": "16"}))
    encoder = Encoder(load_tokenizer(folder, "org/model"), None, "dataset", "local:text")
    with pytest.raises(SpecRefusedError, match="cannot encode it") as refused:
        encoder.ids("abc")
    assert (refused.value.field, refused.value.code) == ("dataset", "malformed_tokenizer")
