"""Choosing how to run a job, and refusing a job that does not fit in memory."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

from worker.pruning.base.errors import InsufficientMemoryError
from worker.pruning.base.shapes import ITEM_BYTES, ModelShape
from worker.pruning.base.speed import Speed
from worker.pruning.planning.artifact_size import artifact_bytes
from worker.pruning.planning.cost_model import sweep_cost
from worker.pruning.planning.memory_limits import MARGIN, Headroom
from worker.pruning.planning.memory_model import memory_by_phase
from worker.pruning.planning.stage_work import StageWork
from worker.pruning.planning.workload import Setting, Workload

_BATCH_TOKENS = {"cpu": 512, "cuda": 16_384}  # larger batches are no faster
# Larger activations go to scratch files; the page cache keeps them while memory is free.
_IN_MEMORY_BYTES = 32 << 20
_FORWARD_DTYPES = {"float32", "bfloat16", "float16"}
_MIN_TOKENS = 128  # of a window; shorter ones are not proposed


@dataclass(frozen=True)
class Plan:
    """How a sweep will run, and the memory, disk space and time that it is predicted to take.

    Attributes:
        setting: how the sweep will run.
        host_bytes: peak resident memory of the process, or its earlier peak if that was larger.
        working_bytes: host memory that the sweep needs beyond what the process already uses.
        device_bytes: peak memory of tensors on the GPU; 0 if the CPU computes.
        phase: the phase that needs the most host memory; `memory_by_phase` lists the phases.
        artifact_bytes: size of the checkpoint that is written.
        scratch_bytes: size of the scratch files with hidden states while the sweep runs; 0 if these
            are kept in memory. If units are removed, also of the model before it is made smaller;
            if a stage keeps another copy of the model, also of that.
        seconds: duration in one process; None if the machine's speed is not known.
    """

    setting: Setting
    host_bytes: int
    working_bytes: int
    device_bytes: int
    phase: str
    artifact_bytes: int
    scratch_bytes: int
    seconds: float | None = None

    def setting_values(self) -> dict[str, Any]:
        """Return the setting as a JSON object."""
        return asdict(self.setting)

    def with_setting(self, values: dict[str, Any]) -> "Plan":
        """Return the plan with an interrupted run's setting, so that the result is the same."""
        return replace(self, setting=Setting(**values))


def plan(shape: ModelShape, work: Workload, headroom: Headroom, speed: Speed | None = None) -> Plan:
    """Return the plan for the fastest setting that fits in memory.

    The result depends only on the arguments.

    Args:
        work: the job.
        headroom: the memory that the process may use.
        speed: the machine's speed; None for a plan without a duration.

    Raises:
        InsufficientMemoryError: no setting fits. The error names a change with which the job would
            fit, if one is found.
    """
    chosen = _first_that_fits(shape, work, headroom)
    if chosen is None:
        raise _insufficient_memory(shape, work, headroom)
    if speed is None:
        return chosen
    return replace(chosen, seconds=sweep_cost(shape, work, chosen.setting).seconds(speed))


def _first_that_fits(shape: ModelShape, work: Workload, headroom: Headroom) -> Plan | None:
    plans = (_plan_for(shape, work, setting, headroom) for setting in _settings(shape, work))
    return next(
        (candidate for candidate in plans if _missing_bytes(candidate, headroom) <= 0), None
    )


def _settings(shape: ModelShape, work: Workload) -> Iterator[Setting]:
    """Yield the settings, from the fastest to the one that needs the least memory."""
    streams = _stream_bytes(shape, work)
    for propagation in dict.fromkeys((work.propagation, "reference")):
        for spills in (False, True) if streams <= _IN_MEMORY_BYTES else (True,):
            tokens = _BATCH_TOKENS[work.device]
            while tokens > work.seq_len:
                yield Setting(propagation, tokens, spills)
                tokens //= 2
            yield Setting(propagation, work.seq_len, spills)


def _plan_for(shape: ModelShape, work: Workload, setting: Setting, headroom: Headroom) -> Plan:
    memory = memory_by_phase(shape, work, setting)
    phase = max(memory, key=lambda name: memory[name].host_bytes)
    working = round(MARGIN * memory[phase].host_bytes)
    return Plan(
        setting,
        host_bytes=max(headroom.peak_bytes, headroom.resident_bytes + working),
        working_bytes=working,
        device_bytes=round(MARGIN * max(needed.device_bytes for needed in memory.values())),
        phase=phase,
        artifact_bytes=artifact_bytes(shape, work.stages),
        scratch_bytes=_scratch_bytes(shape, work, setting),
    )


def _scratch_bytes(shape: ModelShape, work: Workload, setting: Setting) -> int:
    kept = [stage.scratch_bytes(shape) for stage in work.stages]
    whole = max((shape.stored_bytes if shape.removed_bytes else 0, *kept))
    return whole + (_stream_bytes(shape, work) if setting.spills else 0)


def _stream_bytes(shape: ModelShape, work: Workload) -> int:
    """Return the bytes of all hidden states between two blocks."""
    return work.stream_tokens * shape.hidden * ITEM_BYTES[work.dtype]


def _missing_bytes(candidate: Plan, headroom: Headroom) -> int:
    """Return how many bytes a plan lacks on the host or on the GPU, whichever lacks more.

    The result is 0 or negative if the plan fits.
    """
    return max(needed - left for needed, left, _ in _needed_and_left(candidate, headroom))


def _needed_and_left(candidate: Plan, headroom: Headroom) -> Iterator[tuple[int, int, str]]:
    """Yield the bytes needed, the bytes left and the limit's name: for the host, then for a GPU."""
    yield candidate.working_bytes, headroom.host_bytes, headroom.limit
    if headroom.device_bytes is not None:
        yield candidate.device_bytes, headroom.device_bytes, "the device's memory"


def _insufficient_memory(
    shape: ModelShape, work: Workload, headroom: Headroom
) -> InsufficientMemoryError:
    """Return the error, with the least harmful change that makes the job fit, if there is one."""
    plans = [_plan_for(shape, work, setting, headroom) for setting in _settings(shape, work)]
    smallest = min(plans, key=lambda candidate: _missing_bytes(candidate, headroom))
    needed, left, limit = max(_needed_and_left(smallest, headroom), key=lambda row: row[0] - row[1])
    change = next(
        (
            change
            for change, other in _changes(shape, work)
            if _first_that_fits(shape, other, headroom)
        ),
        None,
    )
    return InsufficientMemoryError(needed, left, limit, change)


def _changes(shape: ModelShape, work: Workload) -> Iterator[tuple[str, Workload]]:
    """Yield changes that reduce the job's memory, each with the changed job.

    The changes that cost the least quality come first.
    """
    for place, stage in enumerate(work.stages):
        for change, smaller in stage.smaller():
            yield change, _with_stage(work, place, smaller)
    for dtype in dict.fromkeys((*shape.blocks[0].parameters.entries, "bfloat16")):
        if dtype in _FORWARD_DTYPES and dtype != work.dtype:
            yield f"dtype to {dtype}", replace(work, dtype=dtype)
    fewest = max((stage.fewest_windows for stage in work.stages), default=1)
    samples = work.calibration_windows // 2
    while samples >= fewest:
        yield f"samples to {samples}", replace(work, calibration_windows=samples)
        samples //= 2
    tokens = work.seq_len // 2
    while tokens >= _MIN_TOKENS:
        yield f"seq_len to {tokens}", replace(work, seq_len=tokens)
        tokens //= 2
    for place, stage in enumerate(work.stages):
        if stage.without is not None:
            yield stage.without, _with_stage(work, place)
    if work.needs_gradients:
        yield "method to wanda", replace(work, method="wanda", needs_gradients=False)
    if work.measuring is not None:
        measures_model = work.measuring.needs_gradients or work.measuring.needs_losses
        remedy = "method to neurons" if measures_model else "selection to energy"
        yield remedy, replace(work, measuring=None)
    if work.solver and work.method:
        yield "solver to none", replace(work, solver=None)
    elif work.solver:
        yield "method to zpruner", replace(work, solver=None, method="zpruner")


def _with_stage(work: Workload, place: int, *stage: StageWork) -> Workload:
    """Return the work with another stage at a place, or with none there."""
    return replace(work, stages=(*work.stages[:place], *stage, *work.stages[place + 1 :]))
