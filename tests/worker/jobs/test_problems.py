import errno

import pytest
from sqlalchemy.exc import OperationalError

from db.core.errors import SpecRefusedError
from db.spec.prune_spec import PruneSpec
from tests.factories import make_spec
from worker.jobs.problems import KINDS, problem_of, time_limit_problem
from worker.pruning.base.errors import (
    CheckpointError,
    DevicesError,
    NotFiniteError,
    PruningError,
    RankLostError,
    SmallerModelError,
    UnsupportedModelError,
)


def test_every_error_of_the_pruning_core_has_a_kind_of_its_own() -> None:
    assert set(PruningError.__subclasses__()) <= set(KINDS)


class OutOfMemoryError(RuntimeError):
    """Named as torch names it."""


CODES = {
    "out_of_memory": MemoryError(),
    "disk_full": OSError(errno.EDQUOT, "Disk quota exceeded"),
    "database_lost": OperationalError("select 1", {}, Exception("gone")),
    "internal_error": RuntimeError("secret"),
    "devices": DevicesError("cuda", 2, 1),
    "rank_lost": RankLostError("rank 1 of 2 was killed by SIGKILL"),
    "not_finite": NotFiniteError("block 0"),
    "smaller_model": SmallerModelError("its logits differ"),
    "ratio": SpecRefusedError("ratio", 0.9, "ratio", "it removes all", "Set ratio to 0.6."),
    "quantized": SpecRefusedError("model", "x", "quantized", "it is quantized", "Name another."),
}


@pytest.mark.parametrize("code", CODES)
def test_an_error_of_a_job_has_a_code_and_a_remedy(code: str) -> None:
    problem = problem_of(CODES[code])
    assert (problem.code, problem.type) == (code, f"/problems/{code}")
    assert problem.hint
    assert "secret" not in problem.detail


def test_a_gpu_without_memory_is_out_of_memory() -> None:
    assert problem_of(OutOfMemoryError("CUDA out of memory")).code == "out_of_memory"


def test_a_subclass_of_a_core_error_has_the_kind_of_its_base_class() -> None:
    class ShardError(CheckpointError):
        pass

    problem = problem_of(ShardError("two shards overlap", "download it again"), make_spec())
    assert (problem.code, problem.hint) == ("checkpoint", "Download it again.")
    assert [one.pointer for one in problem.errors] == ["/model"]


def test_a_hint_is_the_remedy_even_if_the_reason_has_a_semicolon() -> None:
    problem = problem_of(UnsupportedModelError("the config says: a; b", "give another"))
    assert (problem.detail, problem.hint) == (
        "the config says: a; b; give another",
        "Give another.",
    )
    assert problem_of(UnsupportedModelError("the config says: a; b")).hint is None


def test_the_field_of_every_core_error_is_one_of_a_specification() -> None:
    fields = {kind.field for kind in PruningError.__subclasses__()} - {None}
    assert fields <= set(PruneSpec.model_fields)


def test_a_time_limit_is_a_problem_of_its_own() -> None:
    assert time_limit_problem(60).detail == "The job was still running after 60 seconds."


def test_a_problem_with_half_a_character_of_a_config_can_be_stored() -> None:
    problem = problem_of(
        UnsupportedModelError("a model of type \ud800 is not a decoder"), make_spec()
    )
    assert "ud800 is not a decoder" in problem.model_dump_json()
