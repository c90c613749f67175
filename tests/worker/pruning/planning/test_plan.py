"""Plans: predicted memory, the chosen setting, and errors for jobs that do not fit."""

from dataclasses import replace

import pytest

from tests.worker.pruning.planning.shapes import AMPLE, WORK, llama, rounding, training
from worker.pruning.base.errors import InsufficientMemoryError
from worker.pruning.base.shapes import BlockShape, LayerShape, ModelShape, ParameterCounts
from worker.pruning.base.speed import Speed
from worker.pruning.binarization.binarizing import Binarizing
from worker.pruning.binarization.settings import Binarization
from worker.pruning.planning.memory_limits import Headroom
from worker.pruning.planning.memory_model import memory_by_phase
from worker.pruning.planning.plan import Plan, plan
from worker.pruning.planning.workload import Setting, Workload
from worker.pruning.quantization.scheme import Scheme
from worker.pruning.refinement.settings import Refinement
from worker.pruning.structure.measures import UnitMeasuring
from worker.pruning.sweep.rotation.rotating import Rotating

SOLVING = replace(WORK, solver="alps")
SMALL = replace(WORK, calibration_windows=2, evaluation_windows=1)
FEW = replace(WORK, calibration_windows=8, evaluation_windows=1)
REFINING = replace(FEW, stages=(training(Refinement()),))
HALVES = replace(FEW, stages=(training(Refinement("half")),))


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
        replace(WORK, evaluation_seq_len=4096),
        replace(WORK, corrects=True, solver="alps"),
        replace(WORK, dtype="bfloat16", calibration_windows=256),
        replace(WORK, needs_gradients=True, method="gblm"),
        replace(WORK, method=None, repairs_units=True),
        replace(WORK, method=None, own=Binarizing(Binarization(4, 4, 4))),
        SOLVING,
    ],
)
def test_more_work_takes_more_memory(more: Workload) -> None:
    assert planned(more).host_bytes > planned().host_bytes


@pytest.mark.parametrize(
    "measuring", [UnitMeasuring(True), UnitMeasuring(False, 128, 64, 8, 128, 64)]
)
def test_measuring_units_takes_memory(measuring: UnitMeasuring) -> None:
    assert planned(replace(SMALL, measuring=measuring)).host_bytes > planned(SMALL).host_bytes


@pytest.mark.parametrize(
    "larger", [llama(hidden=1536), llama(hidden=1024, vocabulary=250_000), llama(hidden=4096)]
)
def test_a_wider_model_takes_more_memory(larger: ModelShape) -> None:
    assert planned(SMALL, larger).host_bytes > planned(SMALL).host_bytes


def test_a_deeper_model_needs_no_more_memory_but_more_disk() -> None:
    once, twice = planned(shape=llama(4)), planned(shape=llama(8))
    assert twice.host_bytes == once.host_bytes
    assert twice.artifact_bytes > 1.5 * once.artifact_bytes


def test_a_model_that_gets_smaller_takes_less_disk_in_the_end_and_more_while_the_job_runs() -> None:
    whole = llama()
    smaller = replace(whole, removed_bytes=whole.stored_bytes // 4)
    one, other = planned(SMALL, whole), planned(SMALL, smaller)
    assert other.artifact_bytes == one.artifact_bytes - smaller.removed_bytes
    assert other.scratch_bytes == one.scratch_bytes + whole.stored_bytes


def test_the_plan_of_many_windows_is_not_below_what_such_a_job_was_seen_to_use() -> None:
    """A `balanced` job of SmolLM2-135M-Instruct in float32 took 3.49 GB, 0.43 of them before it."""
    query, key, mlp = LayerShape(576, 576), LayerShape(192, 576, True), LayerShape(1536, 576)
    layers = (query, key, key, query, mlp, replace(mlp, shares_input=True), LayerShape(576, 1536))
    numbers = {"bfloat16": sum(layer.weights for layer in layers)}
    block = BlockShape(ParameterCounts(numbers, 1536 * 576), layers)
    outside = ParameterCounts({"bfloat16": 49_152 * 576}, 49_152 * 576)
    shape = ModelShape((block,), outside, outside, 270_000_000, 576, 1536, 49_152)
    work = Workload(128, 40, 512, "float32", "cpu", None, "admm", "fused")
    balanced = replace(work, corrects=True, stages=(training(Refinement(), 0.3, shape),))
    assert 3_060_000_000 <= planned(balanced, shape).working_bytes <= 1.15 * 3_060_000_000


def test_blocks_that_no_calibration_window_runs_through_hold_no_states() -> None:
    measured = replace(WORK, method=None, allocation="depth")
    dropping = planned(replace(measured, calibrates_blocks=False))
    assert dropping.host_bytes < planned(measured).host_bytes


@pytest.mark.parametrize(("bits", "share"), [(4, 0.15), (8, 0.3)])
def test_a_quantised_model_is_smaller_on_disk(bits: int, share: float) -> None:
    shape = llama(vocabulary=100)
    small = planned(replace(WORK, stages=(rounding(Scheme(bits, 128)),)), shape).artifact_bytes
    assert small < share * planned(shape=shape).artifact_bytes


def test_a_rotated_model_takes_time_and_disk_space_for_another_copy() -> None:
    stage = rounding(Scheme(4, 128))
    speed = Speed(5e10, 4e10, 4e10, 2e10, 4e9, 1e9, 5e8, 4e5)
    once, rotated = (
        plan(llama(), replace(WORK, stages=stages), AMPLE, speed)
        for stages in ((stage,), (Rotating(), stage))
    )
    assert rotated.scratch_bytes == once.scratch_bytes + llama().stored_bytes
    assert (rotated.seconds or 0) > (once.seconds or 0)


def test_rounding_takes_more_memory_than_a_score() -> None:
    few = replace(SMALL, calibration_windows=1, seq_len=128, evaluation_windows=0)
    quantizing = replace(few, stages=(rounding(Scheme(4, 128)),))
    assert planned(quantizing).phase == "quantization"
    assert planned(quantizing).host_bytes > planned(few).host_bytes
    shape = llama(vocabulary=1000)
    between = (planned(quantizing, shape).working_bytes + planned(few, shape).working_bytes) // 2
    with pytest.raises(InsufficientMemoryError, match="set quantize to none"):
        planned(quantizing, shape, left(between))


def test_the_head_is_the_peak_if_the_vocabulary_is_large() -> None:
    assert planned(SMALL, llama(hidden=256, vocabulary=500_000)).phase == "losses"
    assert planned(SMALL, llama(hidden=2048, vocabulary=1000)).phase == "blocks"


def test_comparing_predictions_needs_memory_for_the_logits_of_both_models() -> None:
    shape = llama(hidden=256, vocabulary=500_000)
    compared = planned(replace(SMALL, compared_windows=1), shape)
    assert compared.phase == "losses"
    assert compared.host_bytes > planned(SMALL, shape).host_bytes


def test_a_job_that_prunes_nothing_needs_no_memory_for_scores() -> None:
    alone = replace(WORK, calibration_windows=0, evaluation_windows=1)
    shape = llama(hidden=4096, vocabulary=100)
    assert planned(replace(alone, method=None), shape).host_bytes < planned(alone, shape).host_bytes


def test_reference_needs_more_memory_than_fused_for_the_gram_matrices_of_all_inputs() -> None:
    few = replace(SOLVING, calibration_windows=1, evaluation_windows=0)
    reference = replace(few, propagation="reference")
    assert planned(reference).host_bytes > planned(few).host_bytes


def test_tensors_on_a_gpu_do_not_count_for_the_host() -> None:
    headroom = replace(AMPLE, device_bytes=1 << 36)
    on_gpu = planned(replace(SOLVING, device="cuda"), headroom=headroom)
    assert on_gpu.device_bytes > 0
    assert on_gpu.host_bytes < planned(SOLVING).host_bytes
    assert planned(SOLVING).device_bytes == 0


def test_with_enough_memory_the_fastest_setting_is_chosen() -> None:
    assert planned(SMALL).setting == Setting("fused", 1024, spills=False)
    assert planned().setting == Setting("fused", 1024, spills=True)
    short = replace(SMALL, seq_len=64)
    assert planned(short).setting == Setting("fused", 512, spills=False)


def test_with_less_memory_batches_shrink_before_the_propagation_changes() -> None:
    work = replace(WORK, seq_len=64, calibration_windows=64, evaluation_windows=0)
    shape = llama(hidden=512, vocabulary=100)
    ample = planned(work, shape)
    tight = planned(work, shape, left(ample.working_bytes - 1))
    assert ample.setting.propagation == tight.setting.propagation == "fused"
    assert tight.setting.batch_tokens < ample.setting.batch_tokens
    assert tight.host_bytes < ample.host_bytes


def test_reference_is_chosen_if_the_states_of_all_batches_do_not_fit() -> None:
    ample = planned()
    tight = planned(headroom=left(ample.working_bytes // 2))
    assert (ample.setting.propagation, tight.setting.propagation) == ("fused", "reference")


@pytest.mark.parametrize(
    ("work", "remedy"),
    [
        (replace(SMALL, dtype="bfloat16", evaluation_windows=0), "set dtype to float32"),
        (replace(SMALL, seq_len=65_536, evaluation_windows=0), "set seq_len to "),
        (replace(SMALL, solver="alps", evaluation_windows=0), "set solver to none"),
        (replace(SMALL, solver="alps", method=None), "set method to zpruner"),
    ],
)
def test_the_error_for_a_job_that_does_not_fit_names_a_change_that_does(
    work: Workload, remedy: str
) -> None:
    headroom = left(320_000_000)
    with pytest.raises(InsufficientMemoryError, match=rf"RLIMIT_DATA leaves 320 MB; {remedy}"):
        planned(work, headroom=headroom)


def test_a_score_without_gradients_is_proposed_if_gradients_do_not_fit() -> None:
    short = replace(SMALL, calibration_windows=1, seq_len=256, evaluation_windows=0)
    work, shape = replace(short, method="gblm", needs_gradients=True), llama(vocabulary=1000)
    assert planned(work, shape).phase == "gradients"
    with pytest.raises(InsufficientMemoryError, match="set method to wanda"):
        planned(work, shape, left(200_000_000))


def test_training_takes_more_memory_than_pruning() -> None:
    assert planned(REFINING).phase == "refinement"
    plain = planned(FEW)
    assert planned(REFINING).host_bytes > plain.host_bytes


@pytest.mark.parametrize(
    ("stored", "dtype", "bytes_per_weight"),
    [
        ("float32", "float32", 13),  # a master, two moments and a mask
        ("bfloat16", "float32", 9),  # the master takes the place of the forward's copy
        ("float32", "bfloat16", 13),
        ("bfloat16", "bfloat16", 15),  # the forward needs a copy beside the best state
    ],
)
def test_training_halves_saves_what_the_training_of_the_smaller_one_takes(
    stored: str, dtype: str, bytes_per_weight: int
) -> None:
    (first, *_), weights = llama().blocks, llama().blocks[0].parameters
    block = replace(first, parameters=replace(weights, entries={stored: weights.numbers}))
    shape, work = replace(llama(), blocks=(block,)), replace(REFINING, dtype=dtype)
    setting = Setting("fused", 1024, spills=True)
    whole, half = (
        memory_by_phase(shape, replace(work, stages=(training(Refinement(scope)),)), setting)[
            "refinement"
        ]
        for scope in ("block", "half")
    )
    first_half = training(Refinement()).halves[0][0]
    assert whole.host_bytes - half.host_bytes == bytes_per_weight * first_half


def test_training_halves_or_none_is_proposed_if_training_blocks_does_not_fit() -> None:
    block, halves = planned(REFINING), planned(HALVES)
    between = (block.working_bytes + halves.working_bytes) // 2
    with pytest.raises(InsufficientMemoryError, match=r'set refine to \{"scope": "half"\}'):
        planned(REFINING, headroom=left(between))
    least = planned(replace(REFINING, stages=())).working_bytes
    with pytest.raises(InsufficientMemoryError, match="set refine to false"):
        planned(replace(REFINING, seq_len=128), headroom=left(round(least * 1.01)))


def test_the_proposed_change_fits() -> None:
    headroom = left(320_000_000)
    with pytest.raises(InsufficientMemoryError) as refused:
        planned(replace(SMALL, seq_len=65_536, evaluation_windows=0), headroom=headroom)
    change = refused.value.change
    assert change is not None
    tokens = int(change.removeprefix("seq_len to "))
    assert planned(replace(SMALL, seq_len=tokens, evaluation_windows=0), headroom=headroom)


def test_more_memory_is_proposed_if_no_change_of_the_job_fits() -> None:
    with pytest.raises(InsufficientMemoryError) as refused:
        planned(headroom=left(100_000_000))
    assert refused.value.change is None
    assert "provide that much memory" in str(refused.value)
    assert planned(headroom=left(refused.value.needed))
