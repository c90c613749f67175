"""The statement of a job's files agrees with the files, and repeats nothing of the machine."""

import json
from base64 import b64decode
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from db.core.errors import SpecRefusedError
from db.files.sealed_folder import seal
from db.spec.prune_spec import PruneSpec
from tests.signing import pem
from tests.worker.evaluation.models import write_model_and_tokenizer
from worker.jobs.progress import JobProgress
from worker.jobs.prune import prune
from worker.jobs.resources import Resources
from worker.jobs.signature import SigningKeyError
from worker.pruning.base.generators import run_to_end

TEXT = "The quick brown fox number {} jumps over the lazy dog.\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model, a text, and two runs; ``again`` expects the inputs of ``out``."""
    folder = tmp_path_factory.mktemp("provenance")
    write_model_and_tokenizer(folder / "model")
    (folder / "text.txt").write_text("".join(TEXT.format(n) for n in range(200)))
    pruned(folder, "out")
    pruned(folder, "again", has_roots=False, expect=digests(dependencies(folder)))
    return folder


def pruned(
    folder: Path,
    out: str,
    has_roots: bool = True,
    each: Callable[[JobProgress], object] = lambda _: None,
    signing_key: Path | None = None,
    **fields: Any,
) -> None:
    """Prune the model into a folder, with absolute paths in the specification."""
    roots = (folder,) if has_roots else None
    own = {"model": f"local:{folder / 'model'}", "dataset": f"local:{folder / 'text.txt'}"}
    small = {"sparsity": 0.5, "samples": 4, "eval_samples": 2, "seq_len": 32, "seed": 7}
    spec = PruneSpec.model_validate(own | small | fields)
    (folder / out).mkdir()
    resources = Resources(
        model_roots=roots,
        dataset_roots=roots,
        device="cpu",
        job_id="job_1",
        signing_key=signing_key,
    )
    result = run_to_end(prune(spec, folder / out, resources), each)
    seal(folder / out, result.digests)


def statement(folder: Path, out: str = "out") -> dict[str, Any]:
    read: dict[str, Any] = json.loads((folder / out / "provenance.json").read_text())
    return read


def dependencies(folder: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = statement(folder)["predicate"]["buildDefinition"][
        "resolvedDependencies"
    ]
    return found


def digests(resources: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    return {one["name"]: one["digest"]["sha256"] for one in resources}


def sha256_of(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()


def test_the_subjects_are_all_files_but_the_statement_and_the_checksums(folder: Path) -> None:
    made = statement(folder)
    written = {path.name: path for path in (folder / "out").iterdir()}
    listed = (folder / "out" / "SHA256SUMS").read_text()
    assert f"{sha256_of(written.pop('provenance.json'))}  provenance.json\n" in listed
    del written["SHA256SUMS"]
    assert digests(made["subject"]) == {name: sha256_of(path) for name, path in written.items()}
    assert made["_type"] == "https://in-toto.io/Statement/v1"
    assert made["predicateType"] == "https://slsa.dev/provenance/v1"


def test_the_dependencies_are_the_files_of_the_model_and_the_texts(folder: Path) -> None:
    definition = statement(folder)["predicate"]["buildDefinition"]
    read = [one for one in (folder / "model").iterdir() if not one.name.endswith(".index.json")]
    files = {f"model/{path.name}": sha256_of(path) for path in read}
    text = sha256_of(folder / "text.txt")
    assert digests(dependencies(folder)) == files | {"calibration": text, "evaluation": text}
    assert definition["externalParameters"]["seed"] == 7
    assert definition["internalParameters"]["device"]["type"] == "cpu"


def test_the_statement_has_the_versions_the_times_and_the_metrics(folder: Path) -> None:
    details = statement(folder)["predicate"]["runDetails"]
    assert details["builder"]["version"]["safetensors"] == version("safetensors")
    metadata = details["metadata"]
    assert metadata["invocationId"] == "job_1"
    assert metadata["startedOn"] <= metadata["finishedOn"]
    assert details["zpruner_metrics"]["sparsity"] == 0.5


def test_a_second_run_with_the_pins_of_the_first_writes_the_same_files_but_measurements(
    folder: Path,
) -> None:
    first, second = (digests(statement(folder, out)["subject"]) for out in ("out", "again"))
    assert first.pop("report.json") != second.pop("report.json")
    assert first == second


def test_local_names_are_relative_to_their_root_or_have_no_folder_without_one(
    folder: Path,
) -> None:
    for out in ("out", "again"):
        made = statement(folder, out)
        spec = made["predicate"]["buildDefinition"]["externalParameters"]
        assert (spec["model"], spec["dataset"]) == ("local:model", "local:text.txt")
        assert str(folder) not in json.dumps(made)


@pytest.mark.parametrize(
    ("name", "code", "reason"),
    [
        ("model/config.json", "changed_input", "the sha256 of config.json is"),
        ("model/gone.json", "changed_input", "the model has no gone.json"),
        ("calibration", "changed_input", "the sha256 of calibration is"),
        ("version/torch", "changed_version", "the worker has torch"),
        ("version/jax", "changed_version", "the worker has no jax"),
    ],
)
def test_an_input_or_version_that_is_not_as_pinned_is_refused_before_anything_is_pruned(
    name: str, code: str, reason: str, folder: Path
) -> None:
    out, expect = f"out-{name.replace('/', '-')}", {name: "0" * 64}
    with pytest.raises(SpecRefusedError, match=reason) as caught:
        pruned(folder, out, expect=expect)
    assert (caught.value.field, caught.value.value, caught.value.code) == ("expect", expect, code)
    assert list((folder / out).iterdir()) == []


def test_a_text_may_be_deleted_once_the_job_has_read_it(folder: Path) -> None:
    text = folder / "deleted.txt"
    text.write_text((folder / "text.txt").read_text())

    def delete(progress: JobProgress) -> None:
        if progress.block is not None:
            text.unlink(missing_ok=True)

    pruned(folder, "later", each=delete, dataset=f"local:{text}")

    made = statement(folder, "later")["predicate"]["buildDefinition"]
    assert made["externalParameters"]["dataset"] == "local:deleted.txt"


def test_a_signed_statement_is_the_same_statement_in_an_envelope_beside_it(folder: Path) -> None:
    key = Ed25519PrivateKey.generate()
    (folder / "key.pem").write_bytes(pem(key))
    pruned(folder, "signed", signing_key=folder / "key.pem")

    signed = (folder / "signed" / "provenance.json").read_bytes()
    envelope = json.loads((folder / "signed" / "provenance.intoto.jsonl").read_text())
    kind = envelope["payloadType"].encode()
    assert kind == b"application/vnd.in-toto+json"
    assert b64decode(envelope["payload"]) == signed
    encoded = b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(signed), signed)
    (signature,) = envelope["signatures"]
    key.public_key().verify(b64decode(signature["sig"]), encoded)
    unsigned = digests(statement(folder)["subject"]).keys()
    assert digests(statement(folder, "signed")["subject"]).keys() == unsigned


def test_a_signing_key_that_is_gone_fails_the_job_before_anything_is_read(folder: Path) -> None:
    with pytest.raises(SigningKeyError, match=r"gone.pem cannot be read \(No such file"):
        pruned(folder, "unsigned", signing_key=folder / "gone.pem")
    assert list((folder / "unsigned").iterdir()) == []


def test_each_text_of_a_mix_is_a_dependency_that_a_repeated_job_expects(folder: Path) -> None:
    (folder / "other.txt").write_text("Sphinx of black quartz, judge my vow.\n" * 200)
    mix = [{"dataset": f"local:{folder / 'other.txt'}", "share": 0.25}]
    pruned(folder, "mixed", mix=mix)
    built = statement(folder, "mixed")["predicate"]["buildDefinition"]
    found = built["resolvedDependencies"]
    shown = {one["name"]: one["annotations"]["dataset"] for one in found if "annotations" in one}
    assert shown["calibration"] == "local:text.txt + local:other.txt"
    assert shown["calibration/1"] == "local:other.txt"
    assert built["externalParameters"]["mix"][0]["dataset"] == "local:other.txt"
    assert digests(found)["calibration/1"] == sha256_of(folder / "other.txt")
    pruned(folder, "mixed again", mix=mix, expect=digests(found))
    wrong = {"calibration/1": sha256_of(folder / "text.txt")}
    with pytest.raises(SpecRefusedError, match="calibration/1"):
        pruned(folder, "changed", mix=mix, expect=wrong)
