"""Choosing how to run a job, and refusing one that cannot run."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

from worker.pruning.base.errors import NoRoomError
from worker.pruning.planning.cost_model import sweep_cost
from worker.pruning.planning.memory_limits import Headroom
from worker.pruning.planning.memory_model import memory_by_phase
from worker.pruning.planning.shapes import ITEM_BYTES, ModelShape
from worker.pruning.planning.speed import Speed
from worker.pruning.planning.workload import Setting, Workload

_MARGIN = 1.05  # what a prediction may be short of
_BATCH_TOKENS = {"cpu": 512, "cuda": 16_384}  # larger batches are no faster
# Activations beyond this go to scratch files: the page cache holds them while memory is free.
_HELD_BYTES = 32 << 20
_COMPUTING = {"float32", "bfloat16", "float16"}
_SHORTEST = 128  # tokens; shorter windows are not worth proposing


@dataclass(frozen=True)
class Plan:
    """How a job runs and what it takes.

    Attributes:
        setting: how it runs.
        host_bytes: the most memory that the process will have held by the end.
        working_bytes: the most of it that the sweep takes, beyond what is held when it starts.
        device_bytes: the most that tensors will take on the device; 0 where the host computes.
        phase: when the host's peak comes.
        artifact_bytes: the checkpoint that is written.
        scratch_bytes: activations in scratch files beside it, for as long as it runs.
        seconds: how long it runs, in one process; None where the machine's speed is not known.
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
        """Return the setting ready for JSON."""
        return asdict(self.setting)

    def with_setting(self, values: dict[str, Any]) -> "Plan":
        """Return the plan with the setting that a run began with: it decides the bytes."""
        return replace(self, setting=Setting(**values))


def plan(shape: ModelShape, work: Workload, headroom: Headroom, speed: Speed | None = None) -> Plan:
    """Choose how to run the job: the fastest way that fits.

    A function of its arguments alone.

    Raises:
        NoRoomError: nothing fits; it says how much is missing and which change would do.
    """
    found = _fitting(shape, work, headroom)
    if found is None:
        raise _refusal(shape, work, headroom)
    if speed is None:
        return found
    return replace(found, seconds=sweep_cost(shape, work, found.setting).seconds(speed))


def _fitting(shape: ModelShape, work: Workload, headroom: Headroom) -> Plan | None:
    plans = (_planned(shape, work, setting, headroom) for setting in _settings(shape, work))
    return next((one for one in plans if _missing(one, headroom) <= 0), None)


def _settings(shape: ModelShape, work: Workload) -> Iterator[Setting]:
    """Yield the ways to run a job from the fastest to the leanest."""
    streams = _stream_bytes(shape, work)
    for propagation in dict.fromkeys((work.propagation, "reference")):
        for spills in (False, True) if streams <= _HELD_BYTES else (True,):
            tokens = _BATCH_TOKENS[work.device]
            while tokens > work.seq_len:
                yield Setting(propagation, tokens, spills)
                tokens //= 2
            yield Setting(propagation, work.seq_len, spills)


def _planned(shape: ModelShape, work: Workload, setting: Setting, headroom: Headroom) -> Plan:
    found = memory_by_phase(shape, work, setting)
    phase = max(found, key=lambda name: found[name].host_bytes)
    return Plan(
        setting,
        host_bytes=max(headroom.peak_bytes, headroom.resident_bytes + found[phase].host_bytes),
        working_bytes=found[phase].host_bytes,
        device_bytes=max(need.device_bytes for need in found.values()),
        phase=phase,
        artifact_bytes=shape.stored_bytes,
        scratch_bytes=_stream_bytes(shape, work) if setting.spills else 0,
    )


def _stream_bytes(shape: ModelShape, work: Workload) -> int:
    """Return the bytes of all hidden states that wait between two blocks."""
    return work.waiting_tokens * shape.hidden * ITEM_BYTES[work.dtype]


def _missing(found: Plan, headroom: Headroom) -> int:
    """Return how many bytes the plan lacks, on the host or on the device."""
    return max(needed - left for needed, left, _ in _accounts(found, headroom))


def _accounts(found: Plan, headroom: Headroom) -> Iterator[tuple[int, int, str]]:
    """Yield what is needed beyond what is held, what is left, and the limit that says so."""
    yield round(found.working_bytes * _MARGIN), headroom.host_bytes, headroom.limit
    if headroom.device_bytes is not None:
        yield round(found.device_bytes * _MARGIN), headroom.device_bytes, "the device's memory"


def _refusal(shape: ModelShape, work: Workload, headroom: Headroom) -> NoRoomError:
    """Return the error that names a change which would do, the smallest if there are several."""
    plans = [_planned(shape, work, setting, headroom) for setting in _settings(shape, work)]
    leanest = min(plans, key=lambda one: _missing(one, headroom))
    needed, left, limit = max(_accounts(leanest, headroom), key=lambda one: one[0] - one[1])
    change = next(
        (said for said, other in _changes(shape, work) if _fitting(shape, other, headroom)), None
    )
    return NoRoomError(needed, left, limit, change)


def _changes(shape: ModelShape, work: Workload) -> Iterator[tuple[str, Workload]]:
    """Yield what could be asked for instead, the smallest loss first."""
    for dtype in dict.fromkeys((*shape.blocks[0].parameters.entries, "bfloat16")):
        if dtype in _COMPUTING and dtype != work.dtype:
            yield f"dtype to {dtype}", replace(work, dtype=dtype)
    samples = work.calibration_windows // 2
    while samples:
        yield f"samples to {samples}", replace(work, calibration_windows=samples)
        samples //= 2
    tokens = work.seq_len // 2
    while tokens >= _SHORTEST:
        yield f"seq_len to {tokens}", replace(work, seq_len=tokens)
        tokens //= 2
    if work.needs_gradients:
        yield "method to wanda", replace(work, method="wanda", needs_gradients=False)
    if work.solver and work.method:
        yield "solver to none", replace(work, solver=None)
    elif work.solver:
        yield "method to zpruner", replace(work, solver=None, method="zpruner")
