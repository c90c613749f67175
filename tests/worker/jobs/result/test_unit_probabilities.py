"""The search of a job starts from where that of an earlier one on the same model ended."""

import json
from pathlib import Path
from typing import Any

import pytest

from db.core.errors import SpecRefusedError
from db.core.states import Phase
from db.spec.prune_spec import PruneSpec
from tests.models import random_ids
from tests.worker.evaluation.models import write_model_and_tokenizer
from tests.worker.jobs.killed_job import run_killed
from worker.jobs.prune import prune
from worker.jobs.resources import Resources
from worker.pruning.base.file_digests import file_digest
from worker.pruning.base.generators import run_to_end

FILE = "unit_probabilities.json"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a model, a text, and the result of a search in ``first``."""
    folder = tmp_path_factory.mktemp("searched")
    write_model_and_tokenizer(folder / "model")
    rows = (json.dumps({"input_ids": row}) + "\n" for row in random_ids(40, 32, seed=1).tolist())
    (folder / "text.jsonl").write_text("".join(rows))
    run(folder, folder / "first", search_steps=24)
    return folder


def spec_of(folder: Path, **fields: Any) -> PruneSpec:
    files = {"model": str(folder / "model"), "dataset": str(folder / "text.jsonl")}
    small = {"samples": 8, "eval_samples": 2, "dtype": "float32", "method": "pgp", "ratio": 0.3}
    return PruneSpec.model_validate(files | small | fields)


def run(folder: Path, out: Path, **fields: Any) -> None:
    out.mkdir()
    run_to_end(prune(spec_of(folder, **fields), out, Resources(device="cpu")))


def probabilities(out: Path) -> list[float]:
    modules = json.loads((out / FILE).read_text())["modules"]
    return [value for one in modules for value in one["probabilities"]]


def test_the_file_has_the_probability_of_each_unit_of_the_dense_model(folder: Path) -> None:
    found = json.loads((folder / "first" / FILE).read_text())
    assert found["config_sha256"] == file_digest(folder / "model" / "config.json")
    assert [
        (one["block"], one["units"], len(one["probabilities"])) for one in found["modules"]
    ] == [
        (block, name, count)
        for block in range(3)
        for name, count in (("self_attn.o_proj", 2), ("mlp.down_proj", 48))
    ]
    assert all(0 <= value <= 1 for value in probabilities(folder / "first"))


def test_a_short_search_stays_near_the_one_that_it_starts_from(
    folder: Path, tmp_path: Path
) -> None:
    run(folder, tmp_path / "second", search_steps=1, search_start=str(folder / "first"))
    run(folder, tmp_path / "alone", search_steps=1)
    first, second, alone = map(
        probabilities, (folder / "first", tmp_path / "second", tmp_path / "alone")
    )
    distances = [
        sum(abs(a - b) for a, b in zip(first, other, strict=True)) for other in (second, alone)
    ]
    assert 0 < distances[0] < distances[1] / 3
    statement = json.loads((tmp_path / "second" / "provenance.json").read_text())
    definition = statement["predicate"]["buildDefinition"]
    [source] = [one for one in definition["resolvedDependencies"] if one["name"] == "search_start"]
    assert source["digest"] == {"sha256": file_digest(folder / "first" / FILE)}
    assert source["annotations"] == {"search_start": "local:first"}
    assert definition["externalParameters"]["search_start"] == "local:first"
    assert FILE in {one["name"] for one in statement["subject"]}


def test_a_killed_job_that_starts_from_a_search_ends_with_the_same_bytes(
    folder: Path, tmp_path: Path
) -> None:
    fields = {"search_steps": 24, "search_start": str(folder / "first"), "seed": 3}
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    run(folder, whole, **fields)
    killed.mkdir()
    spec = spec_of(folder, **fields)
    run_killed(spec, killed, Phase.calibrating, count=20)

    run_to_end(prune(spec, killed, Resources(device="cpu")))

    for path in (whole / FILE, *whole.glob("*.safetensors")):
        assert (killed / path.name).read_bytes() == path.read_bytes()


def changed(folder: Path, out: Path, **changes: Any) -> str:
    """Return the path of a file that differs from that of the first search."""
    found = json.loads((folder / "first" / FILE).read_text())
    (out / FILE).write_text(json.dumps(found | changes))
    return str(out)


@pytest.mark.parametrize(
    ("changes", "code", "reason"),
    [
        ({"config_sha256": "0" * 64}, "other_model", r"sha256 of its config\.json is 000000000000"),
        ({"modules": []}, "other_model", "its blocks have other units"),
        (
            {"modules": [{"block": 0, "units": "a", "probabilities": [1.5]}]},
            "no_search",
            "should be less than or equal to 1",
        ),
    ],
)
def test_a_search_of_another_model_is_refused_before_the_model_is_measured(
    folder: Path, tmp_path: Path, changes: dict[str, Any], code: str, reason: str
) -> None:
    spec = spec_of(folder, search_start=changed(folder, tmp_path, **changes))
    phases = set[Phase]()
    with pytest.raises(SpecRefusedError, match=reason) as refused:
        run_to_end(
            prune(spec, tmp_path, Resources(device="cpu")), lambda one: phases.add(one.phase)
        )
    assert phases == {Phase.resolving, Phase.loading}
    assert (refused.value.field, refused.value.code) == ("search_start", code)
    assert refused.value.remedy


@pytest.mark.parametrize(
    ("expect", "reason"),
    [("0" * 64, "the sha256 of search_start is"), (None, "the folder of an earlier result")],
)
def test_a_search_that_is_missing_or_not_the_expected_one_is_refused(
    folder: Path, tmp_path: Path, expect: str | None, reason: str
) -> None:
    start = folder / ("first" if expect else "model")
    wanted = {"search_start": expect} if expect else None
    spec = spec_of(folder, search_start=str(start), expect=wanted)
    with pytest.raises(SpecRefusedError, match=reason):
        run_to_end(prune(spec, tmp_path, Resources(device="cpu")))


def test_a_later_job_on_the_result_does_not_copy_the_file(folder: Path, tmp_path: Path) -> None:
    fields = {"method": "none", "ratio": None, "model": str(folder / "first")}
    run(folder, tmp_path / "later", **fields)
    assert not (tmp_path / "later" / FILE).exists()
