"""What is downloaded of a model, and what is known of its size before."""

import errno
import shutil
from dataclasses import dataclass

import pytest

from db.core.errors import SpecRefusedError
from db.spec.inputs.references import HubRepo
from db.spec.model_configs import MAX_CONFIG_BYTES
from tests.hub import Hub
from tests.worker.sources.builders import as_json, model_files, sharded_files
from worker.sources import model_files as limits
from worker.sources.models import fetch_model
from zpruner.files.weight_files import INDEX

USELESS = (
    *("training_log.json", "trainer_state.json", "all_results.json", "requirements.txt"),
    *("optimizer.pt", "README.md", "eval.json", "data.txt", "model.onnx", "adapter_config.json"),
)
NEEDED = (
    *("generation_config.json", "tokenizer.json", "tokenizer_config.json", "tokenizer.model"),
    *("special_tokens_map.json", "added_tokens.json", "vocab.json", "vocab.txt", "merges.txt"),
    *("chat_template.jinja", "spiece.model", "qwen.tiktoken", "tekken.json", "LICENSE.txt"),
)


@dataclass(frozen=True)
class Usage:
    """How full a disk is, as far as it matters."""

    free: int


def test_no_file_is_downloaded_that_no_model_needs(hub: Hub) -> None:
    hub.add_model("org/tiny", model_files() | dict.fromkeys((*USELESS, *NEEDED), b"{}"))
    model = fetch_model(HubRepo("org/tiny"))
    assert {path.name for path in model.path.iterdir()} == {*model_files(), *NEEDED}
    assert not any(hub.downloads(name) for name in USELESS)


def refusal(hub: Hub, name: str) -> SpecRefusedError:
    with pytest.raises(SpecRefusedError) as refused:
        fetch_model(HubRepo(name))
    assert not any(one.path.endswith(".safetensors") for one in hub.requests)
    return refused.value


@pytest.mark.parametrize(
    ("name", "bound"),
    [
        ("config.json", "MAX_CONFIG_BYTES"),
        ("tokenizer.json", "MAX_TOKENIZER_BYTES"),
        ("LICENSE.txt", "MAX_LICENCE_BYTES"),
        (INDEX, "MAX_HEADER_BYTES"),
    ],
)
def test_a_file_that_is_too_large_is_refused_before_anything_is_downloaded(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, name: str, bound: str
) -> None:
    monkeypatch.setattr(limits, bound, 1 << 17)
    hub.add_model("org/tiny", sharded_files() | {name: as_json("x" * (1 << 17))})
    refused = refusal(hub, "org/tiny")
    assert (refused.field, refused.code) == ("model", "oversized_file")
    assert name in refused.reason
    assert not hub.downloads(name)
    assert MAX_CONFIG_BYTES == 16 << 20


@pytest.mark.parametrize("total", [200_000, 7_000_000])
def test_weights_unlike_their_index_are_refused_before_they_are_downloaded(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, total: int
) -> None:
    monkeypatch.setattr(limits, "MAX_HEADER_BYTES", 1000)
    tree = sharded_files()
    names = [name for name in tree if name.endswith(".safetensors")]
    shards = {"a": names[0], "b": names[1]}
    index = as_json({"metadata": {"total_size": total}, "weight_map": shards})
    hub.add_model("org/tiny", tree | {INDEX: index})
    refused = refusal(hub, "org/tiny")
    assert refused.code == "malformed_weights"
    assert f"{total:,}" in refused.reason


@pytest.mark.parametrize("total", [1_300_000, 2_400_000, 4_000_000])
def test_an_index_that_counts_tied_weights_in_its_own_way_is_taken(hub: Hub, total: int) -> None:
    tree = sharded_files()
    names = [name for name in tree if name.endswith(".safetensors")]
    shards = {"a": names[0], "b": names[1]}
    index = as_json({"metadata": {"total_size": total}, "weight_map": shards})
    hub.add_model("org/tiny", tree | {INDEX: index})
    fetch_model(HubRepo("org/tiny"))


def test_weights_that_do_not_fit_on_the_disk_are_not_downloaded(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.add_model("org/tiny", sharded_files())
    usage = Usage(2_300_000 + limits.RESERVE_BYTES)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(OSError, match="are free") as full:
        fetch_model(HubRepo("org/tiny"))
    assert full.value.errno == errno.ENOSPC
    assert not any(one.path.endswith(".safetensors") for one in hub.requests)
    monkeypatch.undo()


def test_files_in_the_cache_need_no_space(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.add_model("org/tiny", sharded_files())
    first = fetch_model(HubRepo("org/tiny"))
    usage = Usage(0)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    assert fetch_model(HubRepo("org/tiny")) == first
