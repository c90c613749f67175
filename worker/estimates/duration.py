"""The predicted duration of a job, and its basis."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from db.jobs.estimates import TimedJob
from worker.estimates.correction import Correction, correction
from worker.estimates.load import IDLE, Load
from worker.pruning.base.speed import Speed
from worker.pruning.planning.measured_speed import MeasuredSpeed

START_CALLS = 400_000
"""Of opening the model and the text, and of packaging the result, in calls of torch (`Speed`)."""
BUSY_SPREAD = 2.0
"""Load changes while a job runs, so that its 90th percentile is further from its median."""


@dataclass(frozen=True)
class Percentiles:
    """The median and the 90th percentile of a time, in seconds."""

    p50: float
    p90: float


@dataclass(frozen=True)
class Duration:
    """A job's predicted time.

    Attributes:
        now: if the machine stays as busy as it is.
        alone: if no other program uses the machine; None if none does now.
        corrected: how the planned time was corrected.
        measured: the machine's speed.
        load: how much slower the machine is now.
    """

    now: Percentiles
    alone: Percentiles | None
    corrected: Correction
    measured: MeasuredSpeed
    load: Load

    @property
    def speed(self) -> Speed:
        """The speed that is left to the job."""
        return self.load.slowed(self.measured.speed)

    def as_json(self) -> dict[str, Any]:
        """Return both times, with the number of jobs that have corrected them, and their basis."""
        jobs = {"jobs": self.corrected.jobs}
        return {
            "seconds": asdict(self.now) | jobs,
            "seconds_alone": None if self.alone is None else asdict(self.alone) | jobs,
            "basis": self._basis(),
        }

    def _basis(self) -> dict[str, Any]:
        """Return what the prediction rests on, as values and as text."""
        at = datetime.fromtimestamp(self.measured.measured_at, UTC)
        return {
            "speed_measured_at": at.isoformat(),
            "speed_was_busy": self.measured.was_busy,
            "jobs": self.corrected.jobs,
            "correction": self.corrected.p50,
            "slowdown": max(self.load.computing, self.load.calling),
            "text": " ".join(self._sentences(at)),
        }

    def warnings(self) -> list[str]:
        """Return a warning if the machine is busy now."""
        if not self.load.is_busy:
            return []
        times = max(self.load.computing, self.load.calling)
        return [
            "the machine is busy: other programs use its processors, so that work takes "
            f"{times:.2g} times as long now as on an idle machine; the time assumes that this "
            "stays so"
        ]

    def _sentences(self, at: datetime) -> list[str]:
        busy = ", while other programs used it" if self.measured.was_busy else ""
        jobs = self.corrected.jobs
        corrected = "No jobs of this size have corrected the time."
        if jobs:
            factor = f"{self.corrected.p50:.2g}"
            corrected = (
                f"{jobs} finished jobs of this size have corrected the time (times {factor})."
            )
        return [
            f"The machine's speed was measured on {at:%Y-%m-%d at %H:%M} UTC{busy}.",
            corrected,
            *(["Other programs are assumed to stay as busy as they are now."] * self.load.is_busy),
        ]


def duration(
    planned: Callable[[Speed], float | None],
    measured: MeasuredSpeed,
    jobs: Sequence[TimedJob] = (),
    load: Load = IDLE,
) -> Duration | None:
    """Return how long a job will take; None if that cannot be planned.

    Args:
        planned: returns the planned seconds for a machine's speed.
        measured: the speed of this machine when it is idle.
        jobs: finished jobs of this machine, those predicted from another speed left out.
        load: how much slower the machine is now.
    """
    speed = load.slowed(measured.speed)
    idle, seconds = planned(measured.speed), planned(speed)
    if idle is None or seconds is None:
        return None
    corrected = correction(idle, jobs)

    def percentiles(seconds: float, speed: Speed, spread: float = 1.0) -> Percentiles:
        start = START_CALLS / speed.calls
        factors = (corrected.p50, corrected.p90 * spread)
        return Percentiles(*(start + seconds * factor for factor in factors))

    alone = percentiles(idle, measured.speed)
    if not load.is_busy:
        return Duration(alone, None, corrected, measured, load)
    now = percentiles(seconds, speed, BUSY_SPREAD)
    return Duration(now, alone, corrected, measured, load)
