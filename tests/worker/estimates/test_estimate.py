"""Estimates: held against what the job then takes, and made without a single weight."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest
from cryptography.fernet import Fernet, MultiFernet
from huggingface_hub import close_session, constants
from pydantic import SecretStr
from transformers import LlamaConfig

from db.access.caller_secrets import SecretRepository
from db.core.errors import SpecRefusedError
from db.core.session import Sessions
from db.jobs.estimates import EstimateRepository, TimedJob
from db.spec.prune_spec import PruneSpec
from tests.busy import CORES, busy_processes
from tests.hub import Hub
from tests.models import FAMILIES, MIXTURES, random_ids, write_model
from tests.worker.evaluation.models import write_model_and_tokenizer
from tests.worker.pruning.experts.scaled import scale_matrices
from tests.worker.sources.builders import byte_tokenizer, jsonl
from worker.estimates import expected_windows, planned_job
from worker.estimates.estimate import estimate
from worker.estimates.estimator import compute_next
from worker.estimates.forecast import forecast
from worker.estimates.load import Load, measured_load
from worker.jobs.prune import prune
from worker.jobs.resources import Resources
from worker.pruning.base.errors import (
    ExpertsError,
    IncrementsError,
    PatternError,
    UnsupportedModelError,
)
from worker.settings import WorkerSettings

WINDOWS, TOKENS = 24, 16
REMOVING = ("neurons", "depth")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One data folder for all, so that the machine's speed is measured once."""
    return tmp_path_factory.mktemp("data")


@pytest.fixture(autouse=True)
def _steady_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """What this process uses is part of each estimate, and changes with what ran before."""
    used = psutil.Process().memory_info()
    monkeypatch.setattr(psutil.Process, "memory_info", lambda _: used)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_model(tmp_path / "dense", FAMILIES["llama"])
    rows = ({"input_ids": ids} for ids in random_ids(WINDOWS, TOKENS).tolist())
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "text.txt").write_text("word " * 2000)
    return tmp_path


@pytest.fixture
def settings(data: Path, folder: Path) -> WorkerSettings:
    return WorkerSettings.model_validate(
        {
            "data_dir": data,
            "model_roots": (folder,),
            "dataset_roots": (folder,),
            "device": "cpu",
        }
    )


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub that the process's client talks to, with a cache of its own."""
    with Hub() as hub:
        monkeypatch.setattr(constants, "ENDPOINT", hub.url)
        url = f"{hub.url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", url)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        close_session()
        yield hub
        close_session()


def spec(**fields: Any) -> PruneSpec:
    given = {"model": "local:dense", "sparsity": 0.5, "dataset": "local:rows.jsonl"}
    return PruneSpec.model_validate(given | {"dtype": "float32"} | fields)


def run(asked: PruneSpec, folder: Path) -> dict[str, Any]:
    """Return the plan that the job itself makes, when it has read its texts."""
    (folder / "out").mkdir()
    for _ in prune(
        asked, folder / "out", Resources(model_roots=(folder,), dataset_roots=(folder,))
    ):
        pass
    plan: dict[str, Any] = json.loads((folder / "out" / "report.json").read_text())["plan"]
    return plan


@pytest.mark.parametrize(
    "fields",
    [
        {"samples": 8},
        {"eval_samples": 4},
        {"method": "alps"},
        {"method": "none", "sparsity": 0.0},
        {"refine": {"steps": 2}},
        {"method": "neurons", "sparsity": 0.0, "ratio": 0.2},
        {"method": "depth", "sparsity": 0.0, "ratio": 0.34},
        {"method": "adapt", "sparsity": 0.0, "ratio": 0.3, "uniform": False},
        {"quantize": "w4a16"},
        {"binarize": True, "sparsity": 0.0},
        {"quantize": "w4a16", "rotate": "auto"},
    ],
)
def test_an_estimate_is_the_plan_that_the_job_then_makes(
    fields: dict[str, Any], folder: Path, settings: WorkerSettings
) -> None:
    asked = spec(**fields)
    found, plan = estimate(asked, settings), run(asked, folder)

    assert found["fits"]
    assert found["artifact_bytes"] == plan["artifact_bytes"]
    assert found["memory"]["scratch_bytes"] == plan["scratch_bytes"]
    assert found["setting"] == {name: plan[name] for name in found["setting"]}
    assert found["seconds"]["p90"] > found["seconds"]["p50"] > 0
    config = FAMILIES["llama"]
    assert found["model"]["blocks"] == config.num_hidden_layers
    stored = sum(path.stat().st_size for path in (folder / "dense").glob("*.safetensors"))
    assert 0 < stored - 4 * found["model"]["parameters"] < 20_000  # headers


@pytest.mark.parametrize(
    ("fields", "windows"),
    [
        ({}, (24, 24)),
        ({"samples": 8}, (8, 16)),
        ({"samples": 8, "eval_samples": 4}, (8, 4)),
        ({"eval_dataset": "local:rows.jsonl"}, (24, 24)),
        ({"method": "none", "sparsity": 0.0, "samples": 8}, (0, 16)),
        ({"dataset": "local:text.txt", "seq_len": 16, "eval_samples": 3}, (128, 3)),
        ({"dataset": "local:text.txt", "seq_len": 16}, (128, 15)),
        ({"dataset": "local:text.txt", "seq_len": 32}, (70, 7)),
        ({"dataset": "c4", "seq_len": 16}, (128, 256)),
    ],
)
def test_windows_of_small_files_are_counted(
    fields: dict[str, Any],
    windows: tuple[int, int],
    settings: WorkerSettings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(expected_windows, "MAX_ENCODED_BYTES", 0)  # as of larger files
    found = estimate(spec(**fields), settings)
    assert (found["windows"]["calibration"], found["windows"]["evaluation"]) == windows
    assert found["windows"]["seq_len"] == fields.get("seq_len", TOKENS)
    guessed = "dataset" in fields and "eval_samples" not in fields
    assert bool(found["warnings"]) is guessed


@pytest.mark.parametrize(
    ("fields", "left_out"),
    [
        ({"tasks": ["boolq"]}, "zero-shot tasks"),
        ({"tasks": ["boolq"], "generate": True}, "zero-shot tasks and generated text"),
        ({"benchmark": True}, "the benchmark"),
    ],
)
def test_a_warning_names_what_the_time_leaves_out(
    fields: dict[str, Any], left_out: str, settings: WorkerSettings
) -> None:
    found = estimate(spec(**fields), settings)
    assert found["warnings"] == [f"the time does not include {left_out}"]


def test_a_protocol_is_estimated_with_windows_of_its_own(settings: WorkerSettings) -> None:
    fields = {"eval_dataset": "wikitext2@48", "seq_len": TOKENS}
    found = estimate(spec(**fields), settings)["windows"]
    assert (found["seq_len"], found["evaluation_seq_len"]) == (TOKENS, 48)
    assert found["evaluation"] == 1_290_000 // 4 // 48
    few = estimate(spec(**fields, eval_samples=3), settings)["windows"]
    assert (few["calibration"], few["evaluation"]) == (found["calibration"], 3)
    pages = estimate(spec(eval_dataset="c4@32"), settings)["windows"]
    assert pages["evaluation"] == 256


def test_a_protocol_whose_windows_are_too_long_for_the_model_is_refused(
    settings: WorkerSettings,
) -> None:
    with pytest.raises(SpecRefusedError, match="has 64 positions") as refused:
        estimate(spec(eval_dataset="wikitext2@2048"), settings)
    assert (refused.value.field, refused.value.code) == ("eval_dataset", "seq_len_too_long")


def test_the_estimated_time_is_corrected_by_finished_jobs(settings: WorkerSettings) -> None:
    alone, finished = estimate(spec(), settings), datetime.now(UTC)
    took = [TimedJob(1.0, seconds, finished) for seconds in (2.0, 2.0, 2.0, 2.0, 3.0)]
    corrected = estimate(spec(), settings, took)
    assert alone["seconds"]["p50"] < corrected["seconds"]["p50"] < 2 * alone["seconds"]["p50"]
    assert [one["basis"]["correction"] for one in (alone, corrected)] == [1.0, 2.0]
    assert corrected["seconds"]["jobs"] == 5
    assert "5 finished jobs of this size" in corrected["basis"]["text"]


def test_jobs_that_contradict_the_speed_have_it_measured_again(
    settings: WorkerSettings, tmp_path: Path
) -> None:
    ours = settings.model_copy(update={"data_dir": tmp_path / "data"})
    right = estimate(spec(), ours)["seconds"]["p50"]
    stored = json.loads(ours.speed_file.read_text())
    for known in stored.values():  # as measured an hour ago, on a machine that others used up
        known["measured_at"] -= 4000
        known["valid_since"] -= 4000
        known["was_busy"] = False
        known["speed"] = {kind: rate / 2000 for kind, rate in known["speed"].items()}
    ours.speed_file.write_text(json.dumps(stored))
    finished = datetime.now(UTC) - timedelta(minutes=1)
    jobs = [TimedJob(2000.0, 1.5, finished) for _ in range(5)]

    wrong = estimate(spec(), ours)["seconds"]["p50"]
    found = estimate(spec(), ours, jobs)

    assert wrong > 500 * right
    assert found["seconds"]["p50"] < 10 * right
    assert found["basis"]["jobs"] == 0  # these jobs were predicted from the wrong speed


def test_a_busy_machine_is_counted_and_named(settings: WorkerSettings) -> None:
    busy = Load(computing=2.0, calling=3.0)
    idle, found = estimate(spec(), settings), estimate(spec(), settings, load_of=lambda *_: busy)
    assert 2 <= found["seconds"]["p50"] / idle["seconds"]["p50"] <= 3
    assert found["seconds_alone"] == idle["seconds"]
    assert idle["seconds_alone"] is None
    assert found["basis"]["slowdown"] == 3.0
    assert idle["warnings"] == []
    (warning,) = found["warnings"]
    assert "the machine is busy" in warning
    assert "3 times as long" in warning


def test_while_others_use_the_processors_an_estimate_has_the_time_now_and_the_time_alone(
    settings: WorkerSettings,
) -> None:
    with busy_processes(2 * CORES):
        found = estimate(spec(), settings, load_of=partial(measured_load, running_jobs=0))
    assert 0 < found["seconds_alone"]["p50"] < found["seconds"]["p50"]
    assert found["seconds_alone"]["p90"] < found["seconds"]["p90"]
    assert found["basis"]["slowdown"] >= 1.5


def test_a_job_that_does_not_fit_is_reported_with_a_change_that_would(
    settings: WorkerSettings,
) -> None:
    small = settings.model_copy(update={"memory_budget_bytes": 1 << 20})
    found = estimate(spec(), small)
    assert found["fits"] is False
    assert "ZPRUNER_MEMORY_BUDGET_BYTES" in found["refusal"]
    assert found["memory"]["host_bytes"] > 1 << 20


def test_a_request_that_the_model_does_not_allow_is_refused(settings: WorkerSettings) -> None:
    with pytest.raises(SpecRefusedError, match="has 64 positions"):
        estimate(spec(dataset="local:text.txt", seq_len=128), settings)
    with pytest.raises(PatternError):
        estimate(spec(pattern="5:10"), settings)


def test_fewer_experts_are_estimated_and_numbers_that_do_not_fit_refused(
    folder: Path, settings: WorkerSettings
) -> None:
    write_model(folder / "mixture", MIXTURES["mixtral"])
    fields = {"model": f"local:{folder / 'mixture'}", "method": "experts", "sparsity": 0.0}
    asked = spec(**fields, experts=3)
    found, plan = estimate(asked, settings), run(asked, folder)
    assert found["artifact_bytes"] == plan["artifact_bytes"]
    assert found["memory"]["scratch_bytes"] == plan["scratch_bytes"] == 0
    assert "Of 4 experts 3 stay" in found["result_warnings"][0]
    with pytest.raises(ExpertsError, match="from 2 to 3"):
        estimate(spec(**fields, experts=4), settings)
    with pytest.raises(UnsupportedModelError, match="has none"):
        estimate(spec(method="experts", experts=2, sparsity=0.0), settings)


def test_a_model_of_8_bit_floats_is_estimated_and_planned_as_it_is_written(
    folder: Path, settings: WorkerSettings
) -> None:
    scale_matrices(write_model(folder / "scaled", MIXTURES["mixtral"]))
    fields = {"model": f"local:{folder / 'scaled'}", "method": "experts", "sparsity": 0.0}
    asked = spec(**fields, experts=3)
    found, plan = estimate(asked, settings), run(asked, folder)
    assert found["artifact_bytes"] == plan["artifact_bytes"]
    resources = Resources(model_roots=(folder,), dataset_roots=(folder,))
    assert forecast(asked, resources)["artifact_bytes"] == plan["artifact_bytes"]
    with pytest.raises(SpecRefusedError, match="its weights are quantised"):
        estimate(spec(**fields, experts=3, refine={"steps": 1}), settings)


PAGES = '{% for i in range(99999) %}{{ "abcdefghijklmnopqrstuvwxyz" * 400 }}{% endfor %}'


@pytest.mark.parametrize("counted_bytes", [1 << 20, 0], ids=["counted", "sampled"])
@pytest.mark.parametrize(
    ("template", "code", "reason"),
    [
        (None, "no_chat_template", "has no chat template"),
        ("{{ raise_exception('no roles') }}", "chat_template", "line 1: .* not accept .*no roles"),
        (PAGES, "chat_template", "line 1: the model's chat template exceeds a limit: it took more"),
    ],
    ids=["none", "raises", "endless"],
)
def test_conversations_that_the_template_cannot_render_are_refused_before_the_job(
    template: str | None,
    code: str,
    reason: str,
    counted_bytes: int,
    folder: Path,
    settings: WorkerSettings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(expected_windows, "MAX_ENCODED_BYTES", counted_bytes)
    tokenizer: Any = byte_tokenizer()
    tokenizer.chat_template = template
    tokenizer.save_pretrained(folder / "dense")
    chat = [{"role": "user", "content": "How many?"}]
    (folder / "chats.jsonl").write_bytes(jsonl([chat] * 40, "messages"))
    with pytest.raises(SpecRefusedError, match=reason) as refused:
        estimate(spec(dataset="local:chats.jsonl", seq_len=8), settings)
    assert (refused.value.field, refused.value.code) == ("dataset", code)


def test_only_the_headers_of_a_hub_model_are_read(
    folder: Path, hub: Hub, settings: WorkerSettings
) -> None:
    files = {path.name: path.read_bytes() for path in (folder / "dense").iterdir()}
    repo = hub.add_model("org/dense", files)

    found, local = estimate(spec(model="org/dense"), settings), estimate(spec(), settings)

    assert found["model"] == local["model"] | {"name": "org/dense", "revision": repo.sha}
    assert found["artifact_bytes"] == local["artifact_bytes"]
    assert found["setting"] == local["setting"]
    shards = [name for name in files if name.endswith(".safetensors")]
    assert len(shards) > 1
    asked = [request for shard in shards for request in hub.downloads(shard)]
    assert asked
    assert all("range" in request.headers for request in asked)
    assert not list((folder / "cache").rglob("*.safetensors"))


def test_a_hub_repository_that_is_not_a_model_is_refused(
    hub: Hub, settings: WorkerSettings
) -> None:
    hub.add_model("org/broken", {"config.json": b"{}", "model.safetensors": b"\0" * 64})
    for name, code in (("org/broken", "malformed_weights"), ("org/none", "model_not_found")):
        with pytest.raises(SpecRefusedError) as refused:
            estimate(spec(model=name), settings)
        assert refused.value.code == code


def test_a_requested_estimate_is_computed_or_fails(
    sessions: Sessions, settings: WorkerSettings
) -> None:
    assert not compute_next(sessions, settings)
    with sessions.begin() as session:
        good = EstimateRepository(session).request(spec()).id
        bad = EstimateRepository(session).request(spec(model="local:none")).id
    assert compute_next(sessions, settings)
    assert compute_next(sessions, settings)
    with sessions() as session:
        answered, refused = (EstimateRepository(session).get(one) for one in (good, bad))
    assert answered.answer is not None
    assert answered.answer["fits"] is True
    assert refused.error is not None
    assert refused.error["status"] == 422


def test_an_estimate_uses_the_secret_of_the_key_that_requested_it(
    hub: Hub, folder: Path, sessions: Sessions, settings: WorkerSettings
) -> None:
    files = {one.name: one.read_bytes() for one in (folder / "dense").iterdir()}
    hub.add_model("org/private", files, token="canary.estimate")
    key = Fernet.generate_key().decode()
    ours = settings.model_copy(update={"secrets_key": SecretStr(key)})
    asked = spec(model="org/private", model_secret="hf")
    with sessions.begin() as session:
        SecretRepository(session).set("hf", "canary.estimate", "key_1", MultiFernet([Fernet(key)]))
        estimates = EstimateRepository(session)
        ids = [estimates.request(asked, key_id).id for key_id in ("key_1", "key_2", "key_1")]
    assert ids[0] == ids[2] != ids[1]
    assert compute_next(sessions, ours)
    assert compute_next(sessions, ours)
    with sessions() as session:
        found, refused = (EstimateRepository(session).get(one) for one in ids[:2])
    assert found.answer is not None, found.error
    assert refused.error is not None
    assert refused.error["code"] == "secret_not_found"


@pytest.mark.parametrize(
    "pruning", [{}, *({"method": method, "sparsity": 0, "ratio": 0.3} for method in REMOVING)]
)
def test_an_estimate_contains_the_recovery_that_the_job_then_plans(
    folder: Path, settings: WorkerSettings, pruning: dict[str, Any]
) -> None:
    fields = {"samples": 8, "eval_samples": 4} | pruning
    alone, asked = spec(**fields), spec(**fields, recover={"kind": "masked", "tokens": 64})
    found, without = estimate(asked, settings), estimate(alone, settings)
    assert without["recovery"] is None

    plan = run(asked, folder)
    report = json.loads((folder / "out" / "report.json").read_text())

    assert (found["windows"]["training"], found["windows"]["held_out"]) == (4, 1)
    assert plan["host_bytes"] > 0
    planned, recovery = report["recovery"]["plan"], found["recovery"]
    assert (recovery["steps"], recovery["scratch_bytes"]) == (1, planned["scratch_bytes"])
    # The pruned model, and the recovered one before the cut, are as large as the dense one.
    copies, dense = 2 if pruning else 1, estimate(spec(), settings)["artifact_bytes"]
    assert found["memory"]["scratch_bytes"] == copies * dense + recovery["scratch_bytes"]
    assert found["seconds"]["p50"] == pytest.approx(
        without["seconds"]["p50"] + recovery["seconds"], rel=0.01
    )


def test_a_gradual_job_takes_the_time_of_all_its_steps_and_the_space_of_one_more_model(
    folder: Path, settings: WorkerSettings
) -> None:
    fields = {"samples": 8, "eval_samples": 4}
    once, twice, found = (estimate(spec(**fields, steps=steps), settings) for steps in (1, 2, 4))
    first, second, fourth = (one["seconds"]["p50"] for one in (once, twice, found))
    assert fourth - second == pytest.approx(2 * (second - first), rel=0.01)
    assert 0 < second - first < first  # a job opens its model and texts once
    assert found["memory"]["host_bytes"] == once["memory"]["host_bytes"]
    more = found["memory"]["scratch_bytes"] - once["memory"]["scratch_bytes"]
    assert more == found["artifact_bytes"] == once["artifact_bytes"]


def test_further_texts_take_time_and_space_for_the_hidden_states_of_both_models(
    settings: WorkerSettings,
) -> None:
    fields = {"samples": 8, "eval_samples": 4}
    alone, more = (estimate(spec(**fields, eval_texts=names), settings) for names in ([], ["c4"]))
    assert alone["memory"]["scratch_bytes"] == 0
    states = 4 * TOKENS * FAMILIES["llama"].hidden_size
    assert more["memory"]["scratch_bytes"] == 2 * states * 4  # bytes of a float32
    assert more["seconds"]["p50"] > alone["seconds"]["p50"]


def test_text_that_the_model_writes_takes_time_and_the_memory_of_the_whole_model(
    settings: WorkerSettings, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fields = {"dataset": "local:text.txt", "seq_len": 32, "samples": 16, "eval_samples": 4}
    write_model_and_tokenizer(folder / "dense")
    mixes: list[list[dict[str, Any]]] = [
        [],
        [{"generated": True, "share": 0.25}],
        [{"generated": True, "share": 0.75}],
    ]
    plain, few, many = (estimate(spec(**fields, mix=mix), settings) for mix in mixes)
    assert plain["seconds"]["p50"] < few["seconds"]["p50"] < many["seconds"]["p50"]
    assert plain["memory"]["host_bytes"] <= few["memory"]["host_bytes"]
    monkeypatch.setattr(planned_job, "writing_bytes", lambda *_: 1 << 50)
    large = estimate(spec(**fields, mix=mixes[1]), settings)
    assert "set a dataset in place of the generated text of mix" in large["refusal"]
    assert large["memory"]["host_bytes"] > 1 << 50


def test_a_file_of_a_mix_that_is_not_counted_needs_its_share_of_the_windows_alone(
    settings: WorkerSettings,
) -> None:
    mix = [{"dataset": "wikitext2", "share": 0.5}]
    found = estimate(spec(samples=2 * WINDOWS, eval_dataset="c4", mix=mix), settings)
    assert found["windows"]["calibration"] == 2 * WINDOWS
    with pytest.raises(SpecRefusedError, match="is 25 windows, and it has 24") as caught:
        estimate(spec(samples=2 * WINDOWS + 2, eval_dataset="c4", mix=mix), settings)
    assert caught.value.remedy == "Give it a smaller share, or set samples to at most 48."


def test_the_recovery_of_a_gradual_job_is_planned_for_one_step(
    folder: Path, settings: WorkerSettings
) -> None:
    asked = spec(samples=8, eval_samples=4, recover={"kind": "masked", "tokens": 64}, steps=2)
    found = estimate(asked, settings)
    run(asked, folder)
    report = json.loads((folder / "out" / "report.json").read_text())
    planned = report["recovery"]["plan"]
    assert found["recovery"]["scratch_bytes"] == planned["scratch_bytes"]
    assert found["recovery"]["steps"] == 1


def test_more_steps_than_there_are_units_to_remove_are_refused(settings: WorkerSettings) -> None:
    with pytest.raises(IncrementsError, match="2 blocks cannot be removed in 3 steps"):
        estimate(spec(method="depth", sparsity=0.0, ratio=0.67, steps=3), settings)


def test_a_recovery_that_does_not_fit_is_reported_with_a_change_that_would(
    folder: Path, settings: WorkerSettings
) -> None:
    sizes = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 24}
    write_model(folder / "deep", LlamaConfig(**sizes, vocab_size=96, num_attention_heads=4))
    swept = estimate(spec(model="local:deep", samples=8), settings)["memory"]["host_bytes"]
    small = settings.model_copy(update={"memory_budget_bytes": swept + (4 << 20)})
    found = estimate(spec(model="local:deep", samples=8, recover="masked"), small)
    assert found["fits"] is False
    assert "recover masked needs" in found["refusal"]
    assert "set recover to" in found["refusal"]


def test_the_windows_of_a_recovery_follow_from_its_tokens(
    settings: WorkerSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expected_windows, "MAX_ENCODED_BYTES", 0)  # as of larger files
    windows = estimate(spec(dataset="c4", seq_len=16, recover="spp"), settings)["windows"]
    assert (windows["training"], windows["held_out"]) == (262_144 // 16, 16)


def test_text_that_is_too_short_to_train_on_is_refused(
    folder: Path, settings: WorkerSettings
) -> None:
    with pytest.raises(SpecRefusedError, match="the text that recover trains on"):
        estimate(spec(eval_dataset="local:rows.jsonl", recover="masked"), settings)
    with pytest.raises(SpecRefusedError, match="uses the same 24 rows"):
        estimate(spec(recover="masked"), settings)


def test_tokens_that_go_make_the_planned_result_smaller_and_take_another_copy(
    folder: Path, settings: WorkerSettings
) -> None:
    write_model_and_tokenizer(folder / "dense")
    small: dict[str, Any] = {"dataset": "local:text.txt", "seq_len": 16, "samples": 4}
    whole = estimate(spec(**small), settings)
    text = {"dataset": "local:text.txt"}
    found = estimate(spec(**small, vocabulary=text | {"keep": 257}), settings)
    rows, size = 2 * (260 - 257), 32 * 4  # embedding and head, in float32
    assert found["artifact_bytes"] == whole["artifact_bytes"] - rows * size
    assert found["memory"]["scratch_bytes"] > whole["memory"]["scratch_bytes"]
    assert "the time does not include the measurement" in " ".join(found["warnings"])
    with pytest.raises(SpecRefusedError, match="the model has 257 tokens") as refused:
        estimate(spec(**small, vocabulary=text | {"keep": 500}), settings)
    assert refused.value.field == "vocabulary.keep"


def test_a_job_that_compares_methods_takes_the_time_of_all_and_the_space_of_one_more_model(
    folder: Path, settings: WorkerSettings
) -> None:
    parameters = estimate(spec(), settings)["model"]["parameters"] * 9 // 10

    def estimated(method: str, *candidates: str) -> dict[str, Any]:
        named = {"candidates": candidates} if candidates else {}
        target = {"parameters": parameters, **named}
        return estimate(spec(method=method, sparsity=0.0, target=target), settings)

    neurons, depth = estimated("neurons"), estimated("depth")
    both = estimated("neurons", "depth")
    first, second, whole = (one["seconds"]["p50"] for one in (neurons, depth, both))
    assert max(first, second) < whole < first + second  # a job opens its model and texts once
    memory = [one["memory"]["host_bytes"] for one in (neurons, depth)]
    assert both["memory"]["host_bytes"] == pytest.approx(max(memory), rel=0.05)
    stored = parameters * 10 // 9 * 4
    more = both["memory"]["scratch_bytes"] - neurons["memory"]["scratch_bytes"]
    assert more == pytest.approx(stored, rel=0.01)
    with pytest.raises(SpecRefusedError, match="with method experts, "):
        estimated("neurons", "experts")
