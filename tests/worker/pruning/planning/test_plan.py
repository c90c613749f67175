"""The planner as a function: what takes more, what is chosen, what is refused."""

from dataclasses import replace

import pytest

from tests.worker.pruning.planning.shapes import AMPLE, WORK, llama
from worker.pruning.base.errors import NoRoomError
from worker.pruning.planning.memory_limits import Headroom
from worker.pruning.planning.plan import Plan, plan
from worker.pruning.planning.shapes import ModelShape
from worker.pruning.planning.workload import Setting, Workload

SOLVING = replace(WORK, solver="alps")
SMALL = replace(WORK, calibration_windows=2, evaluation_windows=1)


def planned(
    work: Workload = WORK, shape: ModelShape | None = None, headroom: Headroom = AMPLE
) -> Plan:
    return plan(shape or llama(), work, headroom)


def left(size_bytes: int) -> Headroom:
    return replace(AMPLE, host_bytes=size_bytes, limit="RLIMIT_DATA")


@pytest.mark.parametrize(
    "more",
    [
        replace(WORK, calibration_windows=256),
        replace(WORK, seq_len=2048),
        replace(WORK, corrects=True, solver="alps"),
        replace(WORK, dtype="bfloat16", calibration_windows=256),
        replace(WORK, needs_gradients=True, method="gblm"),
        SOLVING,
    ],
)
def test_more_work_takes_more_memory(more: Workload) -> None:
    assert planned(more).host_bytes > planned().host_bytes


@pytest.mark.parametrize(
    "larger", [llama(hidden=1536), llama(hidden=1024, vocabulary=250_000), llama(hidden=4096)]
)
def test_a_wider_model_takes_more_memory(larger: ModelShape) -> None:
    assert planned(SMALL, larger).host_bytes > planned(SMALL).host_bytes


def test_a_deeper_model_takes_no_more_memory_and_a_larger_artifact() -> None:
    once, twice = planned(shape=llama(4)), planned(shape=llama(8))
    assert twice.host_bytes == once.host_bytes
    assert twice.artifact_bytes > 1.5 * once.artifact_bytes


def test_the_head_is_the_peak_where_the_vocabulary_is_large() -> None:
    assert planned(SMALL, llama(hidden=256, vocabulary=500_000)).phase == "exit"
    assert planned(SMALL, llama(hidden=2048, vocabulary=1000)).phase == "blocks"


def test_the_matrices_of_all_inputs_wait_in_reference_and_of_one_in_fused() -> None:
    few = replace(SOLVING, calibration_windows=1, evaluation_windows=0)
    reference = replace(few, propagation="reference")
    assert planned(reference).host_bytes > planned(few).host_bytes


def test_what_a_gpu_holds_is_not_asked_of_the_host() -> None:
    headroom = replace(AMPLE, device_bytes=1 << 36)
    there = planned(replace(SOLVING, device="cuda"), headroom=headroom)
    assert there.device_bytes > 0
    assert there.host_bytes < planned(SOLVING).host_bytes
    assert planned(SOLVING).device_bytes == 0


def test_with_room_the_fastest_way_is_taken() -> None:
    assert planned(SMALL).setting == Setting("fused", 1024, spills=False)
    assert planned().setting == Setting("fused", 1024, spills=True)
    short = replace(SMALL, seq_len=64)
    assert planned(short).setting == Setting("fused", 512, spills=False)


def test_with_less_room_batches_shrink_before_the_way_to_propagate_changes() -> None:
    work = replace(WORK, seq_len=64, calibration_windows=64, evaluation_windows=0)
    shape = llama(hidden=512, vocabulary=100)
    ample = planned(work, shape)
    tight = planned(work, shape, left(round(ample.working_bytes * 1.05) - 1))
    assert ample.setting.propagation == tight.setting.propagation == "fused"
    assert tight.setting.batch_tokens < ample.setting.batch_tokens
    assert tight.host_bytes < ample.host_bytes


def test_where_all_batches_at_once_do_not_fit_they_run_one_by_one() -> None:
    ample = planned()
    tight = planned(headroom=left(ample.working_bytes // 2))
    assert (ample.setting.propagation, tight.setting.propagation) == ("fused", "reference")


@pytest.mark.parametrize(
    ("work", "said"),
    [
        (replace(SMALL, dtype="bfloat16", evaluation_windows=0), "set dtype to float32"),
        (replace(SMALL, seq_len=65_536, evaluation_windows=0), "set seq_len to "),
        (replace(SMALL, solver="alps", evaluation_windows=0), "set solver to none"),
        (replace(SMALL, solver="alps", method=None), "set method to zpruner"),
    ],
)
def test_a_job_that_cannot_fit_is_refused_with_the_change_that_would(
    work: Workload, said: str
) -> None:
    headroom = left(320_000_000)
    with pytest.raises(NoRoomError, match=rf"RLIMIT_DATA leaves 320 MB; {said}"):
        planned(work, headroom=headroom)


def test_where_the_gradients_do_not_fit_the_score_without_them_is_proposed() -> None:
    short = replace(SMALL, calibration_windows=1, seq_len=256, evaluation_windows=0)
    work, shape = replace(short, method="gblm", needs_gradients=True), llama(vocabulary=1000)
    assert planned(work, shape).phase == "gradients"
    with pytest.raises(NoRoomError, match="set method to wanda"):
        planned(work, shape, left(200_000_000))


def test_the_proposed_change_fits() -> None:
    headroom = left(320_000_000)
    with pytest.raises(NoRoomError) as refused:
        planned(replace(SMALL, seq_len=65_536, evaluation_windows=0), headroom=headroom)
    change = refused.value.change
    assert change is not None
    tokens = int(change.removeprefix("seq_len to "))
    assert planned(replace(SMALL, seq_len=tokens, evaluation_windows=0), headroom=headroom)


def test_where_no_change_helps_only_more_memory_does() -> None:
    with pytest.raises(NoRoomError) as refused:
        planned(headroom=left(100_000_000))
    assert refused.value.change is None
    assert "provide that much memory" in str(refused.value)
    assert planned(headroom=left(refused.value.needed))
