"""A job whose dense model writes a part of its text."""

import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from db.core.errors import SpecRefusedError
from db.core.states import Phase
from db.spec.prune_spec import PruneSpec
from tests.models import FAMILIES, MIXTURES, write_model
from tests.worker.evaluation.models import CONFIG, POSITIONS, write_model_and_tokenizer
from tests.worker.sources.builders import TEMPLATE, byte_tokenizer
from worker.evaluation import generation, self_written
from worker.evaluation.generation import whole_model
from worker.evaluation.generation_metrics import GeneratedText
from worker.evaluation.self_written import WritingStyle, write_chunk
from worker.jobs.progress import JobProgress
from worker.jobs.prune import prune
from worker.jobs.resources import Resources
from worker.jobs.writing import written_text
from worker.jobs.writing.written_text import _LOGITS, WRITTEN, writing_bytes
from worker.pruning.base.errors import InsufficientMemoryError
from worker.pruning.base.generators import run_to_end
from worker.pruning.model.meta_model import MetaModel
from worker.sources.tokenizer import load_tokenizer

ROWS, LENGTH = 8, 32
GENERATED = [{"generated": True, "share": 0.5}]
RECOVER = {"kind": "masked", "tokens": 16 * LENGTH}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a text, a model, and the same one with a chat template."""
    folder = tmp_path_factory.mktemp("written")
    for name in ("model", "chat"):
        write_model_and_tokenizer(folder / name)
    (folder / "chat" / "chat_template.jinja").write_text(TEMPLATE)
    (folder / "text.txt").write_text(
        "".join(f"The brown fox number {n} jumps.\n" for n in range(99))
    )
    return folder


@pytest.fixture(autouse=True, scope="module")
def _small_chunks() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(self_written, "MOST_ROWS", ROWS)
        yield


class StoppedError(Exception):
    """The job was stopped."""


def run(
    folder: Path,
    out: Path,
    each: Callable[[JobProgress], object] = lambda _: None,
    resources: Resources | None = None,
    **fields: Any,
) -> dict[str, Any]:
    """Return the report of a job."""
    given = {"model": f"local:{folder / 'model'}", "dataset": f"local:{folder / 'text.txt'}"}
    small = {"samples": 8, "seq_len": LENGTH, "dtype": "float32", "eval_samples": 2, "seed": 3}
    fields = {"sparsity": 0.5, "mix": GENERATED} | fields
    out.mkdir(exist_ok=True)
    spec = PruneSpec.model_validate(given | small | fields)
    run_to_end(prune(spec, out, resources or Resources(device="cpu")), each)
    report: dict[str, Any] = json.loads((out / "report.json").read_text())
    return report


def weights(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in out.glob("*.safetensors")}


def stop_at(count: int, phase: Phase = Phase.writing) -> Callable[[JobProgress], None]:
    """Return a function that stops a job at its n-th progress in a phase."""
    left = count

    def stop(progress: JobProgress) -> None:
        nonlocal left
        left -= progress.phase is phase
        if left == 0:
            raise StoppedError

    return stop


def write_mixture(folder: Path) -> Path:
    """Write a mixture of experts with a tokenizer of bytes."""
    config = deepcopy(MIXTURES["mixtral"])
    config.vocab_size, config.max_position_embeddings = CONFIG.vocab_size, POSITIONS
    tokenizer: Any = byte_tokenizer()
    tokenizer.save_pretrained(write_model(folder, config))
    return folder


@dataclass(frozen=True)
class Written:
    """A job that has run, with its progress, and the folder of what is known of dense models."""

    report: dict[str, Any]
    shown: list[JobProgress]
    out: Path
    known: Path


@pytest.fixture(scope="module")
def written(folder: Path) -> Written:
    shown, resources = list[JobProgress](), Resources(device="cpu", baselines=folder / "known")
    report = run(folder, folder / "out", shown.append, resources, recover=RECOVER)
    return Written(report, shown, folder / "out", folder / "known")


def test_a_job_is_calibrated_and_trained_on_text_that_its_model_writes(written: Written) -> None:
    for part, counts in (
        (written.report["calibration"], [4, 4]),
        (written.report["recovery"]["training"], [8, 8]),
        (written.report["recovery"]["held_out"], [1, 1]),
    ):
        assert [source["windows"] for source in part["sources"]] == counts
        assert part["sources"][1]["dataset"] == "generated"
    shares = [step.fraction for step in written.shown if step.phase is Phase.writing]
    assert len(shares) == 2 * LENGTH  # two chunks, of which seven windows each are kept
    assert shares == sorted(shares)
    assert shares[0] < shares[-1] <= WRITTEN


def test_a_later_job_reads_what_an_earlier_one_has_stored(
    folder: Path, tmp_path: Path, written: Written
) -> None:
    shown, resources = list[JobProgress](), Resources(device="cpu", baselines=written.known)
    more = RECOVER | {"tokens": 32 * LENGTH}
    report = run(folder, tmp_path, shown.append, resources, recover=more)
    assert sum(step.phase is Phase.writing for step in shown) == LENGTH  # one chunk is new
    texts = [one["calibration"]["token_ids_sha256"] for one in (report, written.report)]
    assert texts[0] == texts[1]


def test_a_job_that_stops_while_its_model_writes_goes_on_with_the_same_bytes(
    folder: Path, tmp_path: Path, written: Written
) -> None:
    with pytest.raises(StoppedError):
        run(folder, tmp_path, stop_at(LENGTH + 5), recover=RECOVER)
    shown: list[JobProgress] = []
    run(folder, tmp_path, shown.append, recover=RECOVER)
    assert sum(step.phase is Phase.writing for step in shown) == LENGTH  # the chunk that stopped
    assert weights(tmp_path) == weights(written.out) != {}


@pytest.mark.parametrize(
    "fields",
    [
        {"quantize": "w4a16"},
        {"method": "neurons", "sparsity": 0.0, "ratio": 0.25},
        {"method": "heads", "sparsity": 0.0, "ratio": 0.25},
        {"method": "depth", "sparsity": 0.0, "ratio": 0.34},
        {
            "method": "experts",
            "sparsity": 0.0,
            "experts": 2,
            "recover": RECOVER | {"kind": "router"},
        },
    ],
    ids=lambda fields: fields.get("method", "quantize"),
)
def test_a_rounded_or_smaller_model_is_stopped_and_recovered_by_the_same_texts(
    folder: Path, tmp_path: Path, written: Written, fields: dict[str, Any]
) -> None:
    given = {"recover": RECOVER} | fields
    if fields.get("method") == "experts":
        given |= {"model": f"local:{write_mixture(folder / 'mixture')}"}
    resources = Resources(device="cpu", baselines=written.known)
    with pytest.raises(StoppedError):
        run(folder, tmp_path, stop_at(2, Phase.recovering), resources, **given)
    shown: list[JobProgress] = []
    report = run(folder, tmp_path, shown.append, resources, **given)
    phases = [step.phase for step in shown]
    assert Phase.writing not in phases
    assert Phase.recovering in phases
    training = report["recovery"]["training"]
    assert [source["windows"] for source in training["sources"]] == [8, 8]
    is_same = training == written.report["recovery"]["training"]
    assert is_same == ("model" not in given)  # another model writes another text


def test_a_later_recovery_reads_the_predictions_of_an_earlier_one(
    folder: Path, tmp_path: Path, written: Written
) -> None:
    shown, resources = list[JobProgress](), Resources(device="cpu", baselines=written.known)
    run(folder, tmp_path, shown.append, resources, recover=RECOVER, sparsity=0.4)
    stages = {step.recovery["stage"] for step in shown if step.recovery}
    assert stages == {"training", "evaluating"}


def test_a_model_with_a_chat_template_writes_conversations(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    styles: list[WritingStyle] = []

    def noted(model: Any, style: WritingStyle, *rest: Any) -> Any:
        styles.append(style)
        return write_chunk(model, style, *rest)

    monkeypatch.setattr(written_text, "write_chunk", noted)
    with pytest.raises(StoppedError):
        run(folder, tmp_path, stop_at(1), model=f"local:{folder / 'chat'}")
    tokenizer = load_tokenizer(folder / "chat", "chat")
    assert tokenizer is not None
    parts = [styles[0].prompt, *styles[0].turns]
    texts = [tokenizer.decode(list(part)) for part in parts]
    assert texts == ["[user]", "\n[assistant]", "\n[user]"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"model": "chat", "seq_len": 12}, "the chat template begins with 6"),
        ({"model": "mute"}, "no token of its vocabulary that begins or ends a text"),
        ({"model": "beyond"}, "no token of its vocabulary that begins or ends a text"),
        ({"model": "foreign"}, "the tokenizer returns id 2.*, the model has 260 ids"),
        ({"model": "silent"}, "does not mark where each turn begins"),
    ],
)
def test_a_model_that_cannot_write_is_refused(
    folder: Path, tmp_path: Path, change: dict[str, Any], reason: str
) -> None:
    name = change["model"]
    if name != "chat":
        write_model_and_tokenizer(folder / name)
    if name == "silent":
        template = "{% for one in messages %}{{ one.content[:3] }}{% endfor %}"
        (folder / name / "chat_template.jinja").write_text(template)
    if name == "foreign":
        tokenizer: Any = byte_tokenizer()
        tokenizer.add_tokens([f"[new {number}]" for number in range(9)])
        tokenizer.add_tokens("[user]")
        tokenizer.save_pretrained(folder / name)
        (folder / name / "chat_template.jinja").write_text(TEMPLATE)
    if name in ("mute", "beyond"):
        config = json.loads((folder / name / "config.json").read_text())
        token = None if name == "mute" else config["vocab_size"]
        ends = {"bos_token_id": token, "eos_token_id": token}
        (folder / name / "config.json").write_text(json.dumps(config | ends))
    with pytest.raises(SpecRefusedError, match=reason) as refused:
        run(folder, tmp_path / "out", **change | {"model": f"local:{folder / name}"})
    assert refused.value.field == "mix.0"


def test_a_model_that_only_repeats_itself_is_refused(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(GeneratedText, "is_loop", True)
    monkeypatch.setattr(self_written, "MOST_ROWS", 2)
    with pytest.raises(SpecRefusedError, match="repeats itself in all that it writes"):
        run(folder, tmp_path / "out")


def test_a_model_that_does_not_fit_writes_nothing(folder: Path, tmp_path: Path) -> None:
    shown: list[JobProgress] = []
    small = Resources(device="cpu", memory_budget_bytes=1 << 20)
    with pytest.raises(InsufficientMemoryError, match="writing text with the dense model") as error:
        run(folder, tmp_path / "out", shown.append, small)
    assert "set a dataset in place of the generated text of mix" in str(error.value)
    assert all(step.phase is not Phase.writing for step in shown)


@pytest.mark.parametrize("family", ["llama", "qwen3", "deepseek-v3-latent"])
def test_the_planned_memory_holds_the_keys_and_values_of_all_windows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, family: str
) -> None:
    config = deepcopy((FAMILIES | MIXTURES)[family])
    if family == "qwen3":
        config.head_dim = 48  # six times the hidden size by the number of heads
    meta_model = MetaModel.open(write_model(tmp_path, config), torch.float32, torch.device("cpu"))
    options: dict[str, Any] = {}
    cached = generation._cache_options
    monkeypatch.setattr(
        generation, "_cache_options", lambda model: options.update(cached(model)) or options
    )
    with whole_model(meta_model) as model:
        prompt = torch.ones(ROWS, 1, dtype=torch.int64)
        for _ in generation.generated(model, prompt, LENGTH, generation.most_likely):
            pass
        weights = sum(parameter.nbytes for parameter in model.parameters())
    (cache,) = (value for value in options.values() if hasattr(value, "layers"))
    held = sum(room.nbytes for layer in cache.layers for room in layer._rooms)
    logits = _LOGITS * ROWS * config.vocab_size * 4
    assert 0 < held <= writing_bytes(meta_model, LENGTH) - weights - logits


def test_a_job_that_uses_no_windows_writes_none(folder: Path, tmp_path: Path) -> None:
    shown: list[JobProgress] = []
    run(folder, tmp_path / "out", shown.append, method="none", sparsity=0.0)
    assert all(step.phase is not Phase.writing for step in shown)
