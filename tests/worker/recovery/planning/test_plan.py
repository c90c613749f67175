"""Plans of recoveries."""

from dataclasses import replace

import pytest

from tests.worker.pruning.planning.shapes import AMPLE, llama
from tests.worker.recovery.recoveries import recovery_settings
from worker.pruning.base.errors import InsufficientMemoryError
from worker.pruning.base.speed import Speed
from worker.pruning.planning.memory_limits import MARGIN, Headroom
from worker.recovery.planning.plan import plan_recovery
from worker.recovery.planning.workload import RecoveryWork
from worker.recovery.settings import KINDS, Kind

WORK = RecoveryWork(512, 64, 20_480, 512, "float32", "cpu")
SHAPE = llama(blocks=24, hidden=2048)
FAST = Speed(1e11, 1e11, 1e11, 1e10, 1e10, 1e9, 1e9, 1e6)


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plan steps of the usual size."""
    monkeypatch.setattr("worker.recovery.settings._FEWEST_BATCH_TOKENS", 2_048)


def working_bytes(kind: Kind, dtype: str = "float32") -> int:
    work = replace(WORK, dtype=dtype)
    return plan_recovery(SHAPE, recovery_settings(kind), work, AMPLE).working_bytes


def test_the_fastest_setting_is_chosen_where_memory_is_ample() -> None:
    plan = plan_recovery(SHAPE, recovery_settings("masked"), WORK, AMPLE)
    assert (plan.setting.micro_batch_windows, plan.setting.recomputes) == (2, False)
    assert plan.steps == 128


def test_training_weights_takes_sixteen_bytes_of_each_and_adapters_take_less() -> None:
    weights = sum(layer.weights for block in SHAPE.blocks for layer in block.layers)
    assert working_bytes("masked") > 16 * weights
    assert working_bytes("ast") > working_bytes("masked")
    assert working_bytes("mask_lora") < 0.8 * working_bytes("masked")


def test_ast_reads_the_dense_blocks_once_more_and_saves_its_masks() -> None:
    masked, adaptive = (
        plan_recovery(SHAPE, recovery_settings(kind), WORK, AMPLE, FAST)
        for kind in ("masked", "ast")
    )
    weights = sum(layer.weights for block in SHAPE.blocks for layer in block.layers)
    assert adaptive.scratch_bytes == masked.scratch_bytes + 3 * weights  # of three states
    masks_in_forward = 4 * weights  # the pruned weights, beside those that are trained
    block = max(one.parameters.read_bytes for one in SHAPE.blocks)
    added = adaptive.working_bytes - masked.working_bytes
    assert added == pytest.approx(MARGIN * (masks_in_forward + block))
    assert masked.seconds is not None
    assert adaptive.seconds is not None
    assert adaptive.seconds - masked.seconds == pytest.approx(SHAPE.stored_bytes / FAST.reading)


def test_less_memory_leads_to_smaller_batches_then_to_recomputing() -> None:
    chosen = []
    left = plan_recovery(SHAPE, recovery_settings("masked"), WORK, AMPLE).working_bytes * 2
    while True:
        try:
            plan = plan_recovery(SHAPE, recovery_settings("masked"), WORK, limited(left))
        except InsufficientMemoryError:
            break
        assert plan.working_bytes <= left
        chosen.append((plan.setting.micro_batch_windows, plan.setting.recomputes))
        left = int(left * 0.995)
    assert list(dict.fromkeys(chosen)) == [(2, False), (1, False), (2, True), (1, True)]


def test_what_does_not_fit_is_refused_with_a_kind_that_does() -> None:
    left = limited(working_bytes("mask_lora") * 11 // 10)
    with pytest.raises(InsufficientMemoryError, match=r"recover masked needs .*mask_lora"):
        plan_recovery(SHAPE, recovery_settings("masked"), WORK, left)
    assert plan_recovery(SHAPE, recovery_settings("mask_lora"), WORK, left)


@pytest.mark.parametrize("kind", KINDS)
def test_what_no_kind_fits_is_refused_with_what_needs_one_block(kind: Kind) -> None:
    with pytest.raises(InsufficientMemoryError, match="set recover to none and refine to true"):
        plan_recovery(SHAPE, recovery_settings(kind), WORK, limited(100 << 20))


def test_routers_need_the_model_and_no_state_of_its_matrices() -> None:
    size = sum(block.parameters.numbers for block in SHAPE.blocks) * 2
    bytes_needed = {kind: working_bytes(kind, "bfloat16") for kind in KINDS}
    assert bytes_needed["router"] > size
    assert bytes_needed["router"] < 0.75 * min(
        needed for kind, needed in bytes_needed.items() if kind != "router"
    )
    seconds = [
        plan_recovery(SHAPE, recovery_settings(kind), WORK, AMPLE, FAST).seconds for kind in KINDS
    ]
    assert seconds[KINDS.index("router")] == min(filter(None, seconds))


def test_blocks_are_not_copied_while_routers_are_trained() -> None:
    blocks = tuple(
        replace(block, parameters=replace(block.parameters, joined_bytes=200 << 20))
        for block in SHAPE.blocks
    )
    joined = replace(SHAPE, blocks=blocks)
    expected: dict[Kind, int] = {"router": 0, "masked": 2 * (200 << 20)}
    for kind, added in expected.items():
        plan = plan_recovery(joined, recovery_settings(kind), WORK, AMPLE)
        assert plan.working_bytes == pytest.approx(working_bytes(kind) + MARGIN * added), kind


def test_on_a_gpu_the_model_is_on_the_device() -> None:
    work = replace(WORK, device="cuda", dtype="bfloat16", seq_len=1_024)
    plan = plan_recovery(
        SHAPE, recovery_settings("masked"), work, replace(AMPLE, device_bytes=80 << 30)
    )
    weights = sum(layer.weights for block in SHAPE.blocks for layer in block.layers)
    assert plan.device_bytes > 16 * weights
    assert plan.host_bytes - AMPLE.resident_bytes < 16 * weights
    with pytest.raises(InsufficientMemoryError, match="the device's memory"):
        plan_recovery(
            SHAPE, recovery_settings("masked"), work, replace(AMPLE, device_bytes=4 << 30)
        )


def test_the_files_are_the_predictions_and_the_states() -> None:
    recovery = recovery_settings("masked")
    plan = plan_recovery(SHAPE, recovery, WORK, AMPLE)
    weights = sum(layer.weights for block in SHAPE.blocks for layer in block.layers)
    predictions = (512 + 64) * 512 * 512 * 6
    assert plan.scratch_bytes == predictions + 28 * weights
    more = replace(WORK, training_windows=5_000)  # those that are not used take no space
    assert plan_recovery(SHAPE, recovery, more, AMPLE).scratch_bytes == plan.scratch_bytes


def test_time_grows_with_the_tokens_and_is_unknown_without_a_speed() -> None:
    short, long = (
        plan_recovery(SHAPE, recovery_settings("masked", tokens=tokens), WORK, AMPLE, FAST).seconds
        for tokens in (131_072, 262_144)
    )
    assert short is not None
    assert long is not None
    assert 1.5 * short < long < 2.5 * short
    assert plan_recovery(SHAPE, recovery_settings("masked"), WORK, AMPLE).seconds is None


def limited(host_bytes: int) -> Headroom:
    return replace(AMPLE, host_bytes=host_bytes)


def test_rounding_the_weights_in_each_forward_takes_memory_for_the_rounded_ones() -> None:
    plain, rounding = (
        plan_recovery(SHAPE, recovery_settings("masked", rounds=rounds), WORK, AMPLE).working_bytes
        for rounds in (False, True)
    )
    assert rounding > plain


def test_a_smaller_model_is_trained_with_the_memory_of_what_is_left() -> None:
    left = llama(blocks=12, hidden=2048)
    whole, smaller, alone = (
        plan_recovery(shape, recovery_settings("masked"), WORK, AMPLE, FAST)
        for shape in (SHAPE, replace(SHAPE, smaller=left), left)
    )
    assert smaller.working_bytes == alone.working_bytes < 0.6 * whole.working_bytes
    assert smaller.scratch_bytes == alone.scratch_bytes + 2 * left.stored_bytes
    assert whole.seconds is not None
    assert smaller.seconds is not None
    assert alone.seconds is not None
    assert alone.seconds < smaller.seconds < whole.seconds  # the dense model runs as a teacher
