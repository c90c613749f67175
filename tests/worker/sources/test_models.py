import json
import traceback
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import constants
from safetensors import safe_open

from db.core import operator_keys
from db.core.errors import SpecRefusedError
from db.spec.checkpoint_headers import check_weights
from db.spec.inputs.references import HubRepo, LocalPath, ModelReference
from tests.hub import Hub
from tests.worker.sources.builders import (
    CONFIG,
    as_json,
    model_files,
    safetensors,
    scaled_files,
    sharded_files,
    write,
)
from worker.sources.models import ModelFolder, fetch_model, fetch_outline

EVIL = b"open('/tmp/zpruner-canary', 'w').close()\n"


def refusal(reference: ModelReference) -> SpecRefusedError:
    with pytest.raises(SpecRefusedError) as refused:
        fetch_model(reference)
    assert refused.value.reason
    assert refused.value.remedy
    return refused.value


def test_a_hub_model_is_downloaded_completely_at_its_branchs_commit(hub: Hub) -> None:
    files = sharded_files() | {"tokenizer.json": b"{}", "merges.txt": b"a b\n"}
    repo = hub.add_model("org/tiny", files)

    model = fetch_model(HubRepo("org/tiny"))

    assert model == ModelFolder(model.path, "org/tiny", repo.sha)
    assert {path.name: path.read_bytes() for path in model.path.iterdir()} == files
    downloads = [request.path for request in hub.requests if "/resolve/" in request.path]
    assert downloads
    assert all(f"/resolve/{repo.sha}/" in path for path in downloads)
    with safe_open(model.path / "model-00001-of-00002.safetensors", "np") as opened:
        assert list(opened.keys()) == ["a"]


def test_only_what_is_needed_is_downloaded(hub: Hub) -> None:
    others = ["pytorch_model.bin", "modeling_own.py", "consolidated.safetensors", "onnx/model.json"]
    hub.add_model("org/tiny", model_files() | dict.fromkeys(others, b"x"))

    model = fetch_model(HubRepo("org/tiny"))

    assert {path.name for path in model.path.iterdir()} == set(model_files())
    assert not any(hub.downloads(name) for name in others)


def test_nothing_is_printed(hub: Hub, capfd: pytest.CaptureFixture[str]) -> None:
    hub.add_model("org/tiny", model_files())
    fetch_model(HubRepo("org/tiny"))
    assert capfd.readouterr() == ("", "")


def test_a_broken_connection_is_resumed_inside_the_file(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 1 << 16)
    files = sharded_files()
    hub.add_model("org/tiny", files)
    shard = "model-00002-of-00002.safetensors"
    hub.breaks[shard] = [400_000]

    model = fetch_model(HubRepo("org/tiny"))

    assert (model.path / shard).read_bytes() == files[shard]
    ranges = [request.headers.get("range") for request in hub.downloads(shard)]
    assert ranges == [None, f"bytes={400_000 // (1 << 16) * (1 << 16)}-"]


def test_a_failed_download_is_resumed_with_the_missing_files(hub: Hub) -> None:
    hub.add_model("org/tiny", sharded_files())
    done, failing = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"
    hub.failing[failing] = 503
    assert refusal(HubRepo("org/tiny")).code == "hub_unreachable"
    hub.failing.clear()

    fetch_model(HubRepo("org/tiny"))

    assert len(hub.downloads(done)) == 1


def test_a_second_job_of_one_model_downloads_nothing(hub: Hub) -> None:
    hub.add_model("org/tiny", model_files())
    fetch_model(HubRepo("org/tiny"))
    before = len(hub.downloads("model.safetensors"))
    fetch_model(HubRepo("org/tiny"))
    assert len(hub.downloads("model.safetensors")) == before == 1


def test_the_token_of_the_environment_opens_a_private_repository(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.add_model("org/private", model_files(), token="hf_secret")
    assert refusal(HubRepo("org/private")).code == "model_not_found"
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    hub.requests.clear()

    fetch_model(HubRepo("org/private"))

    sent = {request.headers.get("authorization") for request in hub.requests}
    assert sent == {"Bearer hf_secret"}


@pytest.mark.parametrize("is_kept", [False, True])
def test_a_token_is_sent_to_the_hub_only_and_takes_precedence_over_the_operators(
    is_kept: bool, hub: Hub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if is_kept:
        monkeypatch.setattr(operator_keys, "_kept", {"HF_TOKEN": "hf_of-the-operator"})
    else:
        monkeypatch.setenv("HF_TOKEN", "hf_of-the-operator")
    hub.add_model("org/private", model_files(), token="canary")
    with Hub() as storage:
        storage.add_model("org/stored", model_files())
        weights = "model.safetensors"
        hub.redirects[weights] = f"{storage.url}/org/stored/resolve/main/{weights}"

        fetch_outline(HubRepo("org/private"), tmp_path, secret="canary")
        fetch_model(HubRepo("org/private"), "canary")

        sent = {one.headers.get("authorization") for one in hub.requests if "/org/" in one.path}
        assert sent == {"Bearer canary"}
        assert len(storage.downloads(weights)) > 1
        assert all("authorization" not in one.headers for one in storage.requests)


@pytest.mark.parametrize("status", [401, 403])
def test_the_traceback_of_a_denied_request_has_no_token(hub: Hub, status: int) -> None:
    token = "canary"
    hub.add_model("org/private", model_files(), token=token)
    hub.failing["config.json"] = status
    with pytest.raises(SpecRefusedError) as refused:
        fetch_model(HubRepo("org/private"), token)
    assert refused.value.code == "hub_denied"
    assert token not in "".join(traceback.format_exception(refused.value))


def test_a_repository_that_is_not_there_is_refused_with_what_to_check(hub: Hub) -> None:
    refused = refusal(HubRepo("org/none"))
    assert (refused.field, refused.value, refused.code) == ("model", "org/none", "model_not_found")
    assert "HF_TOKEN" in refused.remedy


def test_a_gated_repository_says_so(hub: Hub) -> None:
    hub.add_model("org/gated", model_files(), gated=True)
    assert refusal(HubRepo("org/gated")).code == "hub_denied"


def test_a_missing_revision_is_reported_for_the_field_revision(hub: Hub) -> None:
    hub.add_model("org/tiny", model_files())
    refused = refusal(HubRepo("org/tiny", "v9"))
    assert (refused.field, refused.value) == ("revision", "v9")
    assert refused.code == "revision_not_found"


def test_a_tag_leads_to_its_commit(hub: Hub) -> None:
    repo = hub.add_model("org/tiny", model_files(), branches=("main", "v1"))
    assert fetch_model(HubRepo("org/tiny", "v1")).revision == repo.sha
    assert fetch_model(HubRepo("org/tiny", repo.sha)).revision == repo.sha


def test_a_hub_that_is_down_is_reported_as_unreachable(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    assert refusal(HubRepo("org/tiny")).code == "hub_unreachable"


def test_with_hf_hub_offline_the_cache_is_used(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.add_model("org/tiny", model_files())
    there = fetch_model(HubRepo("org/tiny"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    asked = len(hub.requests)

    assert fetch_model(HubRepo("org/tiny")) == there
    assert refusal(HubRepo("org/other")).code == "hub_unreachable"
    assert len(hub.requests) == asked


def test_a_pickle_only_repository_is_refused_before_anything_is_downloaded(hub: Hub) -> None:
    hub.add_model("org/old", {"config.json": as_json(CONFIG), "pytorch_model.bin": b"\x80"})
    assert refusal(HubRepo("org/old")).code == "pickle_only"
    assert not any("/resolve/" in request.path for request in hub.requests)


def test_a_repository_with_code_is_refused_and_its_code_is_not_downloaded(hub: Hub) -> None:
    canary = Path("/tmp/zpruner-canary")
    canary.unlink(missing_ok=True)
    config = CONFIG | {"auto_map": {"AutoModelForCausalLM": "modeling_evil.Evil"}}
    files = model_files(config__json=as_json(config), modeling_evil__py=EVIL)
    hub.add_model("org/evil", files)

    assert refusal(HubRepo("org/evil")).code == "custom_code"

    assert not canary.exists()
    assert not hub.downloads("modeling_evil.py")
    assert not hub.downloads("model.safetensors")


@pytest.mark.parametrize(
    ("file", "content", "code"),
    [
        ("config.json", {"auto_map": {"AutoConfig": "a.B"}}, "custom_code"),
        ("config.json", {"text_config": {"auto_map": {"AutoConfig": "a.B"}}}, "custom_code"),
        ("tokenizer_config.json", {"auto_map": {"AutoTokenizer": ["a.B", None]}}, "custom_code"),
        ("config.json", {"_attn_implementation": "org/kernel"}, "custom_code"),
        ("config.json", {"attn_implementation": {"text_config": "org/k@v1:f"}}, "custom_code"),
        ("config.json", {"quantization_config": {"quant_method": "gptq"}}, "quantized"),
        ("config.json", {"text_config": {"quantization_config": {"bits": 4}}}, "quantized"),
    ],
)
def test_a_config_that_runs_code_or_is_quantised_is_refused(
    tmp_path: Path, file: Any, content: Any, code: str
) -> None:
    base = CONFIG if file == "config.json" else {}
    write(tmp_path, model_files() | {file: as_json(base | content)})
    refused = refusal(LocalPath(tmp_path, "local:tiny"))
    assert (refused.code, refused.value) == (code, "local:tiny")
    assert file in refused.reason


def test_8_bit_floats_with_scales_are_fetched_where_they_are_accepted(
    hub: Hub, tmp_path: Path
) -> None:
    hub.add_model("org/scaled", scaled_files())
    repo = HubRepo("org/scaled")
    local = LocalPath(write(tmp_path / "local", scaled_files()), "local:scaled")
    (tmp_path / "scratch").mkdir()
    references: tuple[ModelReference, ...] = (repo, local)
    for reference in references:
        refused = refusal(reference)
        assert (refused.code, "set method to experts" in refused.remedy) == ("quantized", True)
        with pytest.raises(SpecRefusedError, match="quantised"):
            fetch_outline(reference, tmp_path / "scratch")
    outline = fetch_outline(repo, tmp_path / "scratch", may_be_scaled=True).path
    for folder in (outline, fetch_model(repo, may_be_scaled=True).path):
        assert (folder / "config.json").read_bytes() == scaled_files()["config.json"]
        assert "a.weight_scale_inv" in check_weights(folder, "it", may_be_scaled=True)
    assert fetch_model(local, may_be_scaled=True).path == tmp_path / "local"


def test_harmless_config_fields_are_accepted(tmp_path: Path) -> None:
    harmless = {
        "auto_map": None,
        "quantization_config": None,
        "_attn_implementation": "sdpa",
        "_attn_implementation_autoset": True,
        "experts_implementation": "grouped_mm",
    }
    write(tmp_path, model_files(config__json=as_json(CONFIG | harmless)))
    assert fetch_model(LocalPath(tmp_path, "tiny")) == ModelFolder(tmp_path, "tiny", None)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"[" * 100_000, b"\xff", b"1" * 5000])
def test_a_config_that_cannot_be_read_is_refused(tmp_path: Path, content: Any) -> None:
    write(tmp_path, model_files(config__json=content))
    assert refusal(LocalPath(tmp_path, "tiny")).code == "malformed_config"


def test_a_local_folder_of_pickles_is_refused(tmp_path: Path) -> None:
    write(tmp_path, {"config.json": as_json(CONFIG), "pytorch_model.bin": b"\x80"})
    assert refusal(LocalPath(tmp_path, "tiny")).code == "pickle_only"


def test_only_the_single_file_is_downloaded_of_a_model_that_has_shards_too(hub: Hub) -> None:
    hub.add_model("org/twice", sharded_files() | model_files())
    folder = fetch_model(HubRepo("org/twice")).path
    assert [path.name for path in folder.glob("*.safetensors")] == ["model.safetensors"]


def test_a_truncated_download_is_refused_with_its_tensor(hub: Hub) -> None:
    whole = safetensors({"model.a": 3, "model.b": 5})
    hub.add_model("org/cut", model_files(model__safetensors=whole[:-1]))
    refused = refusal(HubRepo("org/cut"))
    assert refused.code == "truncated_weights"
    assert "model.b" in refused.reason


def test_an_index_that_leads_out_of_the_folder_downloads_nothing(hub: Hub) -> None:
    files = sharded_files()
    files["model.safetensors.index.json"] = json.dumps(
        {"weight_map": {"a": "../../x.safetensors"}}
    ).encode()
    hub.add_model("org/evil", files)
    assert refusal(HubRepo("org/evil")).code == "malformed_weights"
