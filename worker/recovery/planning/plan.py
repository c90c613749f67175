"""Choosing how to run a recovery, and refusing a recovery that does not fit into memory."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

from worker.pruning.base.errors import InsufficientMemoryError
from worker.pruning.base.shapes import ModelShape
from worker.pruning.base.speed import Speed
from worker.pruning.planning.memory_limits import MARGIN, Headroom
from worker.recovery.planning.cost_model import recovery_cost
from worker.recovery.planning.memory_model import recovery_memory, scratch_bytes
from worker.recovery.planning.workload import RecoverySetting, RecoveryWork
from worker.recovery.settings import Kind, Recovery, step_count, windows_per_step

_MICRO_BATCH_TOKENS = {"cpu": 1_024, "cuda": 16_384}  # larger ones are no faster
_SMALLER: tuple[Kind, ...] = ("mask_lora", "spp")
_WITHOUT = "recover to none and refine to true, which trains one block at a time"


@dataclass(frozen=True)
class RecoveryPlan:
    """How a recovery will run, and the memory, disk space and time that it is predicted to take.

    Attributes:
        setting: how it will run.
        steps: number of optimizer steps.
        host_bytes: peak resident memory of the process.
        working_bytes: the memory on the host that the recovery adds to what the process used
            before.
        device_bytes: peak memory of tensors on the GPU; 0 if the CPU computes.
        scratch_bytes: size of the files that it keeps while it runs.
        seconds: duration; None if the machine's speed is not known.
    """

    setting: RecoverySetting
    steps: int
    host_bytes: int
    working_bytes: int
    device_bytes: int
    scratch_bytes: int
    seconds: float | None = None

    def setting_values(self) -> dict[str, Any]:
        """Return the setting as a JSON object."""
        return asdict(self.setting)

    def with_setting(self, values: dict[str, Any]) -> "RecoveryPlan":
        """Return the plan with the setting of an earlier run, and with unchanged predictions.

        The bytes of the result depend on the setting, so a resumed run must keep the setting.

        Args:
            values: the setting, as `setting_values` returned it.
        """
        return replace(self, setting=RecoverySetting(**values))


def plan_recovery(
    shape: ModelShape,
    recovery: Recovery,
    work: RecoveryWork,
    headroom: Headroom,
    speed: Speed | None = None,
) -> RecoveryPlan:
    """Return the plan with the fastest setting that fits into memory.

    The plan depends only on the arguments.

    Args:
        shape: the shapes of the model, with the layers that are trained.
        recovery: how the model is trained.
        work: the numbers of windows, the dtype and the device.
        headroom: the memory that the process may use.
        speed: the machine's speed; None for a plan without a duration.

    Raises:
        InsufficientMemoryError: no setting fits; the error proposes a kind of recovery that fits,
            or else refinement.
    """
    chosen = _first_that_fits(shape, recovery, work, headroom)
    if chosen is None:
        raise _insufficient_memory(shape, recovery, work, headroom)
    if speed is None:
        return chosen
    cost = recovery_cost(shape, recovery, work, chosen.setting)
    return replace(chosen, seconds=cost.seconds(speed))


def _first_that_fits(
    shape: ModelShape, recovery: Recovery, work: RecoveryWork, headroom: Headroom
) -> RecoveryPlan | None:
    plans = _plans(shape, recovery, work, headroom)
    return next(
        (candidate for candidate in plans if _missing_bytes(candidate, headroom) <= 0), None
    )


def _plans(
    shape: ModelShape, recovery: Recovery, work: RecoveryWork, headroom: Headroom
) -> Iterator[RecoveryPlan]:
    """Yield plans, from the fastest setting to the one that needs the least memory."""
    for setting in _settings(recovery, work):
        memory = recovery_memory(shape, recovery, work, setting)
        working = round(MARGIN * memory.host_bytes)
        yield RecoveryPlan(
            setting,
            steps=step_count(recovery, work.seq_len),
            host_bytes=max(headroom.peak_bytes, headroom.resident_bytes + working),
            working_bytes=working,
            device_bytes=round(MARGIN * memory.device_bytes),
            scratch_bytes=scratch_bytes(shape, recovery, work),
        )


def _settings(recovery: Recovery, work: RecoveryWork) -> Iterator[RecoverySetting]:
    most = max(1, _MICRO_BATCH_TOKENS[work.device] // work.seq_len)
    for recomputes in (False, True):
        windows = min(most, windows_per_step(recovery, work.seq_len))
        while windows:
            yield RecoverySetting(windows, recomputes)
            windows //= 2


def _missing_bytes(candidate: RecoveryPlan, headroom: Headroom) -> int:
    """Return the bytes that a plan lacks on the host or the device, whichever lacks more.

    The number is 0 or negative if the plan fits.
    """
    return max(needed - left for needed, left, _ in _needed_and_left(candidate, headroom))


def _needed_and_left(candidate: RecoveryPlan, headroom: Headroom) -> Iterator[tuple[int, int, str]]:
    """Yield (bytes needed, bytes left, name of the limit) for the host, and for a GPU if used."""
    yield candidate.working_bytes, headroom.host_bytes, headroom.limit
    if headroom.device_bytes is not None:
        yield candidate.device_bytes, headroom.device_bytes, "the device's memory"


def _insufficient_memory(
    shape: ModelShape, recovery: Recovery, work: RecoveryWork, headroom: Headroom
) -> InsufficientMemoryError:
    """Return the error, which proposes a kind of recovery that fits, or else refinement."""
    plans = _plans(shape, recovery, work, headroom)
    smallest = min(plans, key=lambda candidate: _missing_bytes(candidate, headroom))
    needed, left, limit = max(_needed_and_left(smallest, headroom), key=lambda row: row[0] - row[1])
    fitting = (
        f"recover to {kind}"
        for kind in (() if recovery.only_routers else _SMALLER)
        if _first_that_fits(shape, replace(recovery, kind=kind), work, headroom)
    )
    return InsufficientMemoryError(
        needed, left, limit, next(fitting, _WITHOUT), f"recover {recovery.kind}"
    )
