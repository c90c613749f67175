"""A job whose model and text are in a bucket of a real S3 server."""

import json
from collections.abc import Iterator
from contextlib import closing
from hashlib import sha256
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest

from db.buckets.readable_buckets import ReadableBuckets
from db.core.errors import SpecRefusedError
from db.files.sealed_folder import seal
from db.spec.prune_spec import PruneSpec
from tests.bucket_server import create_bucket, credentials, put_objects
from tests.worker.evaluation.models import write_model_and_tokenizer
from worker.estimates.estimate import estimate
from worker.jobs.progress import JobResult
from worker.jobs.prune import prune
from worker.jobs.resources import Resources
from worker.pruning.base.generators import run_to_end
from worker.settings import WorkerSettings

TEXT = "".join(f"The quick brown fox number {n} jumps over the lazy dog.\n" for n in range(200))
SMALL = {"sparsity": 0.5, "samples": 4, "eval_samples": 2, "seq_len": 32}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model."""
    folder = tmp_path_factory.mktemp("inputs-in-buckets")
    write_model_and_tokenizer(folder / "tiny")
    (folder / "a.txt").write_text(TEXT)
    return folder


@pytest.fixture(scope="module")
def url(s3_server: str, folder: Path) -> Iterator[str]:
    """The URL of the same model and text in a bucket."""
    url = create_bucket(s3_server)
    files = {f"tiny/{one.name}": one.read_bytes() for one in (folder / "tiny").iterdir()}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in credentials(s3_server).items():
            patch.setenv(name, value)
        put_objects(s3_server, url, files | {"a.txt": TEXT.encode()})
        yield url


def spec_of(url: str, **fields: Any) -> PruneSpec:
    own = {"model": f"{url}/tiny", "dataset": f"{url}/a.txt"}
    return PruneSpec.model_validate(own | SMALL | fields)


def resources(url: str, copies: Path) -> Resources:
    return Resources((), (), buckets=ReadableBuckets((url,), copies), device="cpu")


def pruned(spec: PruneSpec, out: Path, resources: Resources) -> JobResult:
    out.mkdir(exist_ok=True)
    result = run_to_end(prune(spec, out, resources), lambda _: None)
    seal(out, result.digests)
    return result


def definition(out: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((out / "provenance.json").read_text())
    found: dict[str, Any] = read["predicate"]["buildDefinition"]
    return found


def weights(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in out.glob("*.safetensors")}


def test_a_job_has_the_result_of_the_same_local_files_and_names_the_bucket(
    url: str, folder: Path, tmp_path: Path
) -> None:
    pruned(spec_of(url), tmp_path / "out", resources(url, tmp_path / "inputs"))
    local = {"model": "local:tiny", "dataset": "local:a.txt"}
    roots = Resources((folder,), (folder,), device="cpu")
    pruned(spec_of(url, **local), tmp_path / "local", roots)

    assert weights(tmp_path / "out") == weights(tmp_path / "local")
    made = definition(tmp_path / "out")
    names = made["externalParameters"]
    assert (names["model"], names["dataset"]) == (f"{url}/tiny", f"{url}/a.txt")
    origin, *files = made["resolvedDependencies"]
    assert origin == {"name": "model", "uri": f"{url}/tiny", "digest": {}}
    digests = {one["name"]: one["digest"]["sha256"] for one in files}
    assert digests["calibration"] == sha256(TEXT.encode()).hexdigest()
    assert (
        digests["model/config.json"]
        == sha256((folder / "tiny" / "config.json").read_bytes()).hexdigest()
    )
    written = b"".join(one.read_bytes() for one in (tmp_path / "out").iterdir())
    assert str(tmp_path).encode() not in written


def test_a_job_resumes_with_another_copy_of_the_same_objects(url: str, tmp_path: Path) -> None:
    spec, out = spec_of(url), tmp_path / "out"
    out.mkdir()
    with closing(prune(spec, out, resources(url, tmp_path / "first"))) as steps:
        assert list(takewhile(lambda progress: progress.block is None, steps))
    resumed = list[int | None]()
    again = prune(spec, out, resources(url, tmp_path / "second"))
    run_to_end(again, lambda progress: resumed.append(progress.resumed_from_block))
    assert max(one for one in resumed if one is not None) >= 1


def test_a_job_that_expects_the_inputs_of_another_fails_once_the_text_was_replaced(
    s3_server: str, url: str, tmp_path: Path
) -> None:
    put_objects(s3_server, url, {"b.txt": TEXT.encode()})
    expect = {"calibration": sha256(TEXT.encode()).hexdigest()}
    spec = spec_of(url, dataset=f"{url}/b.txt", expect=expect)
    pruned(spec, tmp_path / "out", resources(url, tmp_path / "inputs"))
    put_objects(s3_server, url, {"b.txt": TEXT.upper().encode()})
    with pytest.raises(SpecRefusedError, match="the sha256 of calibration is") as refused:
        pruned(spec, tmp_path / "again", resources(url, tmp_path / "inputs"))
    assert refused.value.code == "changed_input"


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"dataset": "none.txt"}, "dataset_not_found"),
        ({"eval_dataset": "none.txt"}, "dataset_not_found"),
        ({"model": "none"}, "model_not_found"),
    ],
)
def test_a_missing_object_is_refused_with_its_field(
    fields: dict[str, str], code: str, url: str, tmp_path: Path
) -> None:
    ((field, name),) = fields.items()
    spec = spec_of(url, **{field: f"{url}/{name}"})
    with pytest.raises(SpecRefusedError) as refused:
        pruned(spec, tmp_path / "out", resources(url, tmp_path / "inputs"))
    assert (refused.value.field, refused.value.value) == (field, f"{url}/{name}")
    assert refused.value.code == code


def test_an_estimate_copies_the_text_but_no_weights(url: str, tmp_path: Path) -> None:
    settings = WorkerSettings.model_validate(
        {"data_dir": tmp_path, "input_urls": (url,), "device": "cpu"}
    )
    found = estimate(spec_of(url), settings)
    assert found["model"]["name"] == f"{url}/tiny"
    assert (found["fits"], found["windows"]["calibration"]) == (True, 4)
    copied = [path for path in (tmp_path / "inputs").rglob("*") if path.is_file()]
    assert [path.name for path in copied] == ["a.txt"]
