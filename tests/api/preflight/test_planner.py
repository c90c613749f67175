"""A submission is refused if the planner, which builds the model without weights, refuses it."""

import json
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from shutil import copytree
from typing import Any, NamedTuple

import pytest
from fastapi.testclient import TestClient
from huggingface_hub import close_session, constants
from transformers import (
    BartConfig,
    BartForConditionalGeneration,
    BertConfig,
    BertLMHeadModel,
    LlamaConfig,
    OlmoeConfig,
    PretrainedConfig,
    PreTrainedModel,
    Qwen2Config,
    T5Config,
    T5ForConditionalGeneration,
    ViTConfig,
    ViTModel,
)
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

from api.app import create_app
from api.core.settings import ApiSettings
from api.preflight.static_checks import DECODERS, LocalModel, passes_static_checks
from db.core.escaping import quoted
from db.core.session import Sessions
from db.scheduling.claims import ClaimRepository
from db.scheduling.control_heartbeat import HeartbeatRepository
from db.scheduling.queues import QueueRepository
from db.spec.datasets.files import DataFile
from tests.api.calls import PUSH, call, create
from tests.api.traces import is_unchanged, traces
from tests.factories import make_spec
from tests.fakes import ListQueue
from tests.hub import Hub
from tests.models import FAMILIES, FUSED, MIXTURES, random_ids, write_model
from tests.waiting import eventually
from tests.worker.sources.builders import byte_tokenizer
from worker.estimates.estimator import compute_next
from worker.settings import WorkerSettings

SMALL: dict[str, Any] = {
    "vocab_size": 96,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
}
OTHERS: dict[str, tuple[type[PreTrainedModel], PretrainedConfig]] = {
    "bert": (BertLMHeadModel, BertConfig(**SMALL)),
    "bart": (
        BartForConditionalGeneration,
        BartConfig(
            vocab_size=96,
            d_model=32,
            encoder_layers=1,
            decoder_layers=1,
            encoder_ffn_dim=48,
            decoder_ffn_dim=48,
            encoder_attention_heads=4,
            decoder_attention_heads=4,
        ),
    ),
    "t5": (
        T5ForConditionalGeneration,
        T5Config(vocab_size=96, d_model=32, d_kv=8, d_ff=48, num_layers=1, num_heads=4),
    ),
    "vit": (ViTModel, ViTConfig(**{**SMALL, "image_size": 32, "patch_size": 16})),
}
ROWS, TOKENS = 24, 16
HEADS: dict[str, Any] = {"method": "heads", "ratio": 0.15, "sparsity": 0.0}
GROUPS_OF_32 = {"scheme": "w4a16", "group_size": 32, "scales": "mse", "skip": list[str]()}


class Case(NamedTuple):
    """Fields that make a job impossible, and the detail of its refusal."""

    fields: dict[str, Any]
    field: str
    detail: str


CASES = [
    Case({"model": "local:unknown"}, "model", "whose model type is 'brandnew'"),
    Case({"model": "local:bert"}, "model", "a model of type 'bert' is not a decoder"),
    Case({"model": "local:bart"}, "model", "a model of type 'bart' is not a decoder"),
    Case({"model": "local:t5"}, "model", "a model of type 't5' is not a decoder"),
    Case({"model": "local:vit"}, "model", "a model of type 'vit' is not a decoder"),
    Case({"model": "org/unknown"}, "model", "whose model type is 'brandnew'"),
    Case({"model": "org/bert"}, "model", "a model of type 'bert' is not a decoder"),
    Case({"model": "org/code"}, "model", "asks to run its own code (auto_map)"),
    Case({"model": "org/quantised"}, "model", "has a quantization_config"),
    Case({"model": "org/config"}, "model", "config.json is not JSON"),
    Case({"model": "org/shard"}, "model", "which is missing"),
    Case({"model": "org/garbage"}, "model", "the header of"),
    Case({"model": "org/good", "seq_len": 128}, "seq_len", "has 64 positions"),
    Case({"seq_len": 128, "dataset": "wikitext2"}, "seq_len", "Set seq_len to 64 or less."),
    Case({"eval_dataset": "wikitext2@2048"}, "eval_dataset", "a window of 64 or less"),
    Case({"model": "org/good", "eval_dataset": "c4@65"}, "eval_dataset", "has 64 positions"),
    Case({"samples": 25}, "samples", "rows.jsonl has 24"),
    Case({"sparsity": 0.0001}, "sparsity", "no weight would be dropped"),
    Case({"samples": 20, "eval_samples": 5}, "eval_samples", "has 4"),
    Case({"eval_dataset": "local:rows.jsonl", "eval_samples": 25}, "eval_samples", "has 24"),
    Case({"dataset": "local:short.txt", "seq_len": 32}, "dataset", "a window has 32"),
    Case({"allocation": [0.4, 0.6]}, "allocation", "2 sparsities for a model of 3 blocks"),
    Case({"skip": ["*.oproj"]}, "skip", "no layer of the model matches '*.oproj'"),
    Case({"skip": ["*"]}, "skip", "leaves no layer to prune"),
    Case({"model": "org/good", "pattern": "5:10"}, "pattern", "has rows of 32 weights"),
    Case(
        {"model": "org/good", "quantize": GROUPS_OF_32},
        "quantize",
        "set the group_size of quantize to 16",
    ),
    Case(
        {"method": "depth", "ratio": 0.67, "sparsity": 0.0, "steps": 3},
        "steps",
        "2 blocks cannot be removed in 3 steps",
    ),
    Case(HEADS | {"model": "local:olmoe"}, "model", "has no attention heads that could be removed"),
]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of models and texts, made once."""
    folder = tmp_path_factory.mktemp("models")
    llama = FAMILIES["llama"].to_dict() | {"vocab_size": 257}  # as many as there are bytes
    write_model(folder / "good", LlamaConfig(**llama))
    byte_tokenizer().save_pretrained(folder / "good")  # type: ignore[attr-defined] # a real one
    grouped = SMALL | {"num_key_value_heads": 2, "vocab_size": 257, "pad_token_id": 0}
    for name, one in {"qwen2": Qwen2Config(**grouped), "olmoe": OlmoeConfig(**grouped)}.items():
        write_model(folder / name, one)
        byte_tokenizer().save_pretrained(folder / name)  # type: ignore[attr-defined] # a real one
    for name, (kind, config) in OTHERS.items():
        kind(config).save_pretrained(folder / name)
    copytree(folder / "good", folder / "unknown")
    config = json.loads((folder / "good" / "config.json").read_text())
    (folder / "unknown" / "config.json").write_text(json.dumps(config | {"model_type": "brandnew"}))
    rows = ({"input_ids": ids} for ids in random_ids(ROWS, TOKENS).tolist())
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "short.txt").write_text("a few words\n" * 4)
    return folder


@pytest.fixture
def roots(models: Path) -> Path:
    return models


@pytest.fixture(scope="module")
def hub(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """A hub with some of the models, and with some broken ones."""
    with Hub() as hub, pytest.MonkeyPatch.context() as patch:
        patch.setattr(constants, "ENDPOINT", hub.url)
        url = f"{hub.url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        patch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", url)
        patch.setattr(constants, "HF_HUB_CACHE", str(tmp_path_factory.mktemp("cache")))
        close_session()
        for name in ("good", "bert", "unknown"):
            hub.add_model(f"org/{name}", _files(models / name))
        good = _files(models / "good")
        config = json.loads(good["config.json"])
        shard = max(name for name in good if name.endswith(".safetensors"))
        for name, change in {
            "code": {"config.json": _json(config | {"auto_map": {"AutoModel": "evil.Model"}})},
            "quantised": {"config.json": _json(config | {"quantization_config": {"bits": 4}})},
            "config": {"config.json": b"{"},
            "garbage": {shard: b"garbage " * 99},
        }.items():
            hub.add_model(f"org/{name}", good | change)
        hub.add_model("org/shard", {name: good[name] for name in good if name != shard})
        yield hub
        close_session()


def _files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def _json(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value).encode()


@pytest.fixture
def hub_endpoint(hub: Hub) -> str:
    return hub.url


@pytest.fixture
def settings(settings: ApiSettings) -> ApiSettings:
    """Settings with which the planner may be slow, and its one heartbeat counts for long."""
    return settings.model_copy(update={"check_timeout_s": 120, "beat_every_s": 200})


@pytest.fixture
def planner(sessions: Sessions, settings: ApiSettings) -> Iterator[None]:
    """A planner in a thread, and the heartbeat of a control process."""
    base = {"_env_file": None, "data_dir": settings.data_dir, "device": "cpu"}
    roots = {"model_roots": settings.model_roots, "dataset_roots": settings.dataset_roots}
    stop, work = threading.Event(), WorkerSettings.model_validate(base | roots)

    def answer() -> None:
        while not stop.wait(0.02):
            compute_next(sessions, work)

    work.speed_file.parent.mkdir(parents=True, exist_ok=True)
    with sessions.begin() as session:
        HeartbeatRepository(session).record()
    thread = threading.Thread(target=answer)
    thread.start()
    yield
    stop.set()
    thread.join()


def job(**fields: Any) -> dict[str, Any]:
    smallest = {"model": "local:good", "dataset": "local:rows.jsonl", "dtype": "float32"}
    return smallest | ({} if "pattern" in fields else {"sparsity": 0.5}) | fields


@pytest.mark.usefixtures("planner")
def test_a_job_that_cannot_run_is_refused_and_leaves_no_trace(
    client: TestClient, sessions: Sessions, queue: ListQueue, tmp_path: Path
) -> None:
    client.get("/v1/jobs")
    before = traces(sessions, tmp_path)
    for fields, field, detail in CASES:
        response = client.post("/v1/jobs", json=job(**fields))
        problem = response.json()
        assert response.status_code == 422, (fields, problem)
        (error,) = problem["errors"]
        assert (error["pointer"], error["code"]) == (f"/{field}", problem["code"])
        value = fields.get(field)
        assert error["detail"].startswith(f"{field} {quoted(value)}: "), error
        assert detail in error["detail"]
        assert problem["hint"], problem
        assert client.get(problem["type"]).status_code == 200
        eventually(lambda: is_unchanged(before, traces(sessions, tmp_path)))
    assert queue.ids == []


@pytest.mark.usefixtures("planner")
def test_every_request_that_creates_a_job_is_checked(
    client: TestClient, sessions: Sessions
) -> None:
    wrong = job(skip=["*.oproj"])
    bodies: dict[str, dict[str, Any]] = {
        "/v1/jobs?dry_run=true": wrong,
        "/v1/estimates": wrong,
        "/v1/sweeps": job() | {"grid": {"skip": [["*.o_proj"], ["*.oproj"]]}},
        "/v1/sweeps?dry_run=true": job() | {"grid": {"skip": [["*.o_proj"], ["*.oproj"]]}},
    }
    for path, body in bodies.items():
        response = client.post(path, json=body)
        assert (response.status_code, response.json()["code"]) == (422, "skip"), response.text
    trigger = create(client, job=wrong)
    refused = call(client, trigger, PUSH | {"repo": PUSH["repo"] | {"name": "local:good"}})
    assert (refused.status_code, refused.json()["code"]) == (422, "skip")
    made = client.post("/v1/jobs", json=job()).json()
    assert made["warnings"] == []
    rerun = client.post(f"/v1/jobs/{made['id']}/rerun", json={"skip": ["*.oproj"]})
    assert (rerun.status_code, rerun.json()["code"]) == (422, "skip")


@pytest.mark.usefixtures("planner")
def test_each_point_of_a_sweep_is_checked_whatever_field_the_planner_decides_by(
    client: TestClient,
) -> None:
    grid = {"quantize": ["w4a16", {"scheme": "w4a16", "group_size": 4096}]}
    refused = client.post("/v1/sweeps", json=job(model="org/good", grid=grid))
    assert (refused.status_code, refused.json()["code"]) == (422, "quantization"), refused.text
    grid = {"method": ["neurons", "heads"]}
    refused = client.post("/v1/sweeps", json=job(**HEADS | {"model": "local:olmoe", "grid": grid}))
    assert refused.status_code == 422, refused.text
    assert "has no attention heads that could be removed" in refused.json()["detail"]


@pytest.mark.usefixtures("planner")
def test_a_possible_job_is_accepted_without_a_warning(client: TestClient) -> None:
    for fields in (
        {"model": "org/good"},
        {"skip": ["*.o_proj", "lm_head"]},
        {"dataset": "local:short.txt", "seq_len": 4},
        {"allocation": [0.4, 0.5, 0.6]},
        {"quantize": "w4a16"},
    ):
        response = client.post("/v1/jobs", json=job(**fields))
        assert response.status_code == 201, response.text
        assert response.json()["warnings"] == []


@pytest.mark.usefixtures("planner")
def test_what_the_planner_knows_of_the_result_is_among_the_warnings(client: TestClient) -> None:
    heads = client.post("/v1/jobs", json=job(model="local:qwen2", **HEADS))
    body, prefer = job(model="local:qwen2", **HEADS), {"Prefer": "wait=60"}
    estimate = client.post("/v1/estimates", json=body, headers=prefer)
    for response in (heads, estimate):
        assert response.is_success, response.text
        warnings = response.json()["warnings"]  # that of a busy machine may be among them
        assert (
            sum("a config of type 'qwen2' has no field of its own" in one for one in warnings) == 1
        )
    neurons = {"method": "neurons", "ratio": 0.2, "sparsity": 0.0}
    assert (
        client.post("/v1/jobs", json=job(model="local:qwen2", **neurons)).json()["warnings"] == []
    )


def test_a_planner_that_times_out_leaves_a_warning_and_is_not_waited_for_again(
    settings: ApiSettings, queue: ListQueue, sessions: Sessions
) -> None:
    with sessions.begin() as session:
        HeartbeatRepository(session).record()
    short_timeout = settings.model_copy(update={"check_timeout_s": 0.3})
    with TestClient(create_app(short_timeout, queue), base_url="http://127.0.0.1") as client:
        warned = [
            client.post("/v1/jobs", json=job(skip=[glob])).json()["warnings"]
            for glob in ("*.oproj", "*.kproj")
        ]
        certain = client.post("/v1/jobs", json=job()).json()["warnings"]
    assert "has not answered in time. It will check the model before a worker" in warned[0][0]
    assert "timed out recently. It will check the model before a worker" in warned[1][0]
    assert certain == []


def test_a_job_that_the_planner_refuses_late_fails_and_no_worker_gets_it(
    settings: ApiSettings, queue: ListQueue, sessions: Sessions
) -> None:
    with sessions.begin() as session:
        HeartbeatRepository(session).record()
    short_timeout = settings.model_copy(update={"check_timeout_s": 0.3})
    base = {"_env_file": None, "data_dir": settings.data_dir, "device": "cpu"}
    roots = {"model_roots": settings.model_roots, "dataset_roots": settings.dataset_roots}
    work = WorkerSettings.model_validate(base | roots)
    with TestClient(create_app(short_timeout, queue), base_url="http://127.0.0.1") as client:
        wrong, right = (
            client.post("/v1/jobs", json=job(**fields)).json()["id"]
            for fields in ({"skip": ["*.oproj"]}, {"quantize": "w4a16"})
        )
        assert queue.ids == []
        with sessions.begin() as session:
            assert not QueueRepository(session).has_runnable(["gpu"])
            assert ClaimRepository(session).claim(wrong, "gpu@test") is None
        assert compute_next(sessions, work)
        assert compute_next(sessions, work)
        failed = client.get(f"/v1/jobs/{wrong}").json()
        assert (failed["status"], failed["error"]["code"]) == ("failed", "skip")
        assert "no layer of the model matches '*.oproj'" in failed["error"]["detail"]
        assert failed["attempt"] == 0
    with sessions.begin() as session:
        assert ClaimRepository(session).claim(right, "gpu@test") is not None


@pytest.mark.parametrize(
    ("fields", "code", "nearest"),
    [
        ({"pattern": "3:7"}, "pattern", "Skip it, or choose another pattern."),
        (
            {"quantize": {"scheme": "w4a16", "group_size": 4096}},
            "quantization",
            "Set the group_size of quantize to 16.",
        ),
    ],
)
def test_groups_that_do_not_fit_a_local_model_are_refused_without_the_planner(
    client: TestClient, fields: dict[str, Any], code: str, nearest: str
) -> None:
    problem = client.post("/v1/jobs", json=job(**fields)).json()
    assert (problem["status"], problem["code"], problem["hint"]) == (422, code, nearest)
    implied: dict[str, Any] = {"sparsity": None} if code == "pattern" else {}
    points = [{}, {"sparsity": 0.6}, fields | implied]
    sweep = client.post("/v1/sweeps", json=job() | {"jobs": points}).json()
    assert (sweep["status"], sweep["code"], sweep["hint"]) == (422, code, nearest)
    assert "(in point 2: " in sweep["detail"]


def test_a_job_that_passes_static_checks_sends_no_request(models: Path) -> None:
    """The model types that the API knows are decoders in transformers."""
    assert MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.keys() >= DECODERS
    seen = set()
    for config in (*FAMILIES.values(), *MIXTURES.values(), *FUSED.values()):
        local = {**config.to_dict(), "architectures": None}
        if passes_static_checks(make_spec(), LocalModel(local, frozenset()), {}):
            seen.add(config.model_type)
    assert seen == DECODERS & {
        config.model_type for config in (*FAMILIES.values(), *MIXTURES.values(), *FUSED.values())
    }
    assert len(seen) > 10
    ids = {"dataset": DataFile(models / "rows.jsonl", "dataset", "local:rows.jsonl")}
    tensors = {f"model.layers.0.{name}.weight" for name in ("o_proj", "k_proj", "input_layernorm")}
    llama = LocalModel(LlamaConfig(**SMALL).to_dict(), frozenset(tensors))
    fitting = make_spec(samples=24, skip=("*.o_proj",), pattern="2:4")
    assert passes_static_checks(fitting, llama, ids)
    refined = make_spec(refine={"tokens": 128})
    assert passes_static_checks(refined, llama, ids)
    few = models / "few.jsonl"
    few.write_text("".join((models / "rows.jsonl").read_text().splitlines(keepends=True)[:7]))
    rows = {"dataset": DataFile(few, "dataset", "local:few.jsonl")}
    assert passes_static_checks(make_spec(), llama, rows)
    assert not passes_static_checks(make_spec(refine=True), llama, rows)
    for fields in (
        {"samples": 25},
        {"skip": ("*.q_proj",)},
        {"skip": ("*.o_proj", "*.k_proj")},
        {"pattern": "5:10", "sparsity": 0.5},
        {"allocation": (0.5,)},
        {"refine": {"tokens": 127}},
        {"seq_len": 17},
        {"quantize": GROUPS_OF_32},
        {"steps": 2},
        {"sparsity": 0.01},
    ):
        assert not passes_static_checks(make_spec(**fields), llama, ids)
