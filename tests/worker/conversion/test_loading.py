"""A written file is loaded with llama.cpp, which says why it cannot be."""

import tempfile
from pathlib import Path

import numpy as np
import pytest
from gguf import GGUFWriter

from worker.conversion.errors import ConversionError
from worker.conversion.loading import check_loads


def test_the_reason_of_llama_cpp_is_the_error(tmp_path: Path) -> None:
    file = tmp_path / "model.gguf"
    file.write_bytes(b"GGUF")
    with pytest.raises(ConversionError, match=r"^llama\.cpp does not load the file: "):
        check_loads(file)


def test_an_error_of_the_server_is_the_reason_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder := tmp_path / ("long" * 30)).mkdir()  # longer than the name of a socket may be
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    with pytest.raises(ConversionError, match="HTTP server"):
        check_loads(tmp_path / "model.gguf")


def test_an_architecture_of_a_newer_llama_cpp_is_no_failure(tmp_path: Path) -> None:
    writer = GGUFWriter(tmp_path / "model.gguf", "newest")
    writer.add_tensor("token_embd.weight", np.zeros((4, 32), dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    check_loads(tmp_path / "model.gguf")
