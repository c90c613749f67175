"""Planning a job from how many windows it uses and the headers of its model's weight files."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from math import ceil
from typing import Any

import torch
from torch import Tensor

from db.spec.options.mix import generated_share
from db.spec.prune_spec import PruneSpec
from worker.estimates.expected_windows import ExpectedWindows
from worker.jobs.increments.parts import recovery_at
from worker.jobs.job_report import plan_json
from worker.jobs.options.recover import recovery_of
from worker.jobs.recipes import compares_in_sweep, last_increment, recipe_at, recipe_of
from worker.jobs.result.result_warnings import result_warnings
from worker.jobs.smaller_vocabulary import checked_vocabulary, model_rows
from worker.jobs.stages.texts.reading import compared_count
from worker.jobs.target.aim import aimed
from worker.jobs.writing.written_text import CHANGE, TASK, writing_bytes
from worker.pruning.base.compute import compute_dtype
from worker.pruning.base.increments import Increment
from worker.pruning.base.shapes import ModelShape
from worker.pruning.base.speed import Speed
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.planning.cost_model import sweep_cost
from worker.pruning.planning.memory_limits import Headroom, require_bytes
from worker.pruning.planning.plan import Plan, plan
from worker.pruning.planning.workload import Workload
from worker.pruning.sweep.job_shapes import model_shape, workload
from worker.recovery.planning.plan import RecoveryPlan, plan_recovery
from worker.recovery.planning.workload import RecoveryWork
from worker.recovery.settings import Recovery, window_count
from worker.recovery.shapes import recovery_shape, recovery_work
from worker.sources.calibration import held_out_count
from worker.sources.models import ModelFolder

WRITING_FORWARDS = 4.0
"""The time in which a model writes a window that is kept, in forward passes of a window.

SmolLM2-135M took 2.3 times as long in windows of 512 tokens on one thread without AMX, and 4.9
times with it, where forward passes are faster; 32 windows at once, of which a tenth goes.
"""


@dataclass(frozen=True)
class JobPlan:
    """The plan of a job's sweep, and the plan of its recovery, if it has one.

    Attributes:
        sweep: the plan of the sweep; of a gradual job, that of one increment.
        recovery: the plan of the recovery; of a gradual job, that of one increment.
        increments: how many increments the job has.
        whole_bytes: size of the model with zeros from which the result is cut; 0 if it is not cut.
        token_bytes: size of the rows of tokens that go, as far as it is known before the job runs;
            None if none go.
        comparison_seconds: the time of the comparison of both models on texts after the sweep, if
            the machine's speed is known.
        comparison_bytes: the size of the hidden states that this comparison keeps in files.
        writing_seconds: the time in which the dense model writes text, if none of it is stored and
            the machine's speed is known.
        writing_bytes: the memory that it takes meanwhile; 0 if it writes none.
        others: the plans of the job with the other methods that it compares.
    """

    sweep: Plan
    recovery: RecoveryPlan | None
    increments: int = 1
    whole_bytes: int = 0
    token_bytes: int | None = None
    comparison_seconds: float = 0.0
    comparison_bytes: int = 0
    writing_seconds: float = 0.0
    writing_bytes: int = 0
    others: "tuple[JobPlan, ...]" = ()

    @property
    def artifact_bytes(self) -> int:
        """Size of the result."""
        return self.sweep.artifact_bytes - (self.token_bytes or 0)

    @property
    def host_bytes(self) -> int:
        """Peak resident memory of the process."""
        writing = 0 if self.device_bytes else self.writing_bytes
        return max(writing, *(part.host_bytes for part in self._all()))

    @property
    def device_bytes(self) -> int:
        """Peak memory of tensors on the GPU; 0 if the CPU computes."""
        planned = max(part.device_bytes for part in self._all())
        return max(planned, self.writing_bytes) if planned else 0

    @property
    def scratch_bytes(self) -> int:
        """Size of temporary files, of models that a recovery or an increment starts from, of the
        one with all tokens, and of one that was compared.
        """
        recovery = self.recovery.scratch_bytes + self.whole_bytes if self.recovery else 0
        models = (self.recovery is not None) + (self.increments > 1)
        model_bytes = self.whole_bytes or self.sweep.artifact_bytes
        with_all_tokens = 0 if self.token_bytes is None else self.sweep.artifact_bytes
        compared = max((plan.whole_bytes or plan.artifact_bytes for plan in self.others), default=0)
        own = max(self.sweep.scratch_bytes, recovery, self.comparison_bytes) + models * model_bytes
        return own + with_all_tokens + compared

    @property
    def seconds(self) -> float | None:
        """Predicted duration if a single process runs the job; None if the speed is not known."""
        seconds = [part.seconds for part in self._all()]
        if None in seconds:
            return None
        beside = self.comparison_seconds + self.writing_seconds
        return self.increments * sum(filter(None, seconds)) + beside

    def as_json(self) -> dict[str, Any]:
        """Return the plan as a JSON object.

        The object has the fields of the sweep's plan, but memory, scratch space and time are given
        for the whole job. If the job has a recovery, the field ``recovery`` is the recovery's plan.
        """
        names = ("host_bytes", "device_bytes", "artifact_bytes", "scratch_bytes", "seconds")
        totals = {name: getattr(self, name) for name in names}
        fields = plan_json(self.sweep) | totals
        return fields if self.recovery is None else fields | {"recovery": asdict(self.recovery)}

    def _all(self) -> list[Plan | RecoveryPlan]:
        sweeps = [self.sweep, *(plan.sweep for plan in self.others)]
        return [*sweeps, self.recovery] if self.recovery else [*sweeps]


@dataclass(frozen=True)
class PlannedRecovery:
    """The model, settings and work of a recovery; `plan` plans it for a given amount of memory."""

    shape: ModelShape
    settings: Recovery
    work: RecoveryWork

    def plan(self, headroom: Headroom, speed: Speed | None = None) -> RecoveryPlan:
        return plan_recovery(self.shape, self.settings, self.work, headroom, speed)


@dataclass(frozen=True)
class PlannedJob:
    """The model, windows and work of a job; `plan` plans it for a given amount of memory.

    ``compared`` is the number of windows that both models run on in the end, to compare them,
    ``written`` the number of those that the dense model writes, and ``token_bytes`` the size of the
    rows of tokens that go, as far as it is known before the job runs; None if none go. ``others``
    are the job with the other methods that it compares.
    """

    meta_model: MetaModel
    windows: ExpectedWindows
    shape: ModelShape
    work: Workload
    recovery: PlannedRecovery | None
    increments: int = 1
    result_warnings: Sequence[str] = ()
    token_bytes: int | None = None
    compared: int = 0
    written: int = 0
    others: "tuple[PlannedJob, ...]" = ()

    def plan(self, headroom: Headroom, speed: Speed | None = None) -> JobPlan:
        """Return the fastest plans that fit into ``headroom``.

        Raises:
            InsufficientMemoryError: no plan fits.
        """
        sweep = plan(self.shape, self.work, headroom, speed)
        recovery = self.recovery.plan(headroom, speed) if self.recovery else None
        compared_s = self._forward_seconds(sweep, speed, self.compared) if speed else 0.0
        states = self.compared * self.work.measured_seq_len * self.shape.hidden
        written_s, needed_bytes = self._writing(sweep, headroom, speed)
        return JobPlan(
            sweep=sweep,
            recovery=recovery,
            increments=self.increments,
            whole_bytes=self.shape.stored_bytes if self.shape.removed_bytes else 0,
            token_bytes=self.token_bytes,
            comparison_seconds=compared_s,
            comparison_bytes=2 * states * self.meta_model.dtype.itemsize,
            writing_seconds=written_s,
            writing_bytes=needed_bytes,
            others=tuple(job.plan(headroom, speed) for job in self.others),
        )

    def _writing(self, sweep: Plan, headroom: Headroom, speed: Speed | None) -> tuple[float, int]:
        """Return the time in which the model writes text, and the memory that it takes."""
        if not self.written:
            return 0.0, 0
        length = self.windows.seq_len
        needed = writing_bytes(self.meta_model, length)
        require_bytes(needed, headroom, CHANGE, TASK)
        windows = -(-self.written * length // self.work.measured_seq_len)
        forward = self._forward_seconds(sweep, speed, windows) / 2 if speed else 0.0
        on_host = 0 if headroom.device_bytes is not None else headroom.resident_bytes
        return WRITING_FORWARDS * forward, needed + on_host

    def _forward_seconds(self, sweep: Plan, speed: Speed, added: int) -> float:
        """Return the time of further evaluation windows, which both models run on."""
        windows = self.work.evaluation_windows
        costs = (
            sweep_cost(self.shape, replace(self.work, evaluation_windows=count), sweep.setting)
            for count in (windows, windows + added)
        )
        without, whole = (cost.seconds(speed) for cost in costs)
        return whole - without


def planned_job(
    spec: PruneSpec,
    model: ModelFolder,
    device: torch.device,
    count_windows: Callable[[MetaModel], ExpectedWindows],
) -> PlannedJob:
    """Return the model, windows and work of a job, without loading any weight.

    Args:
        spec: the job.
        model: the model's folder; of the weight files, only the headers are needed.
        device: the device that the job will compute on.
        count_windows: returns the number of windows of each kind.

    Raises:
        SpecRefusedError: a field of ``spec`` has a value that cannot be used.
        PruningError: the model cannot be pruned in this way.
    """
    meta_model = MetaModel.open(model.path, compute_dtype(spec.dtype, device), device)
    specs = aimed(spec, meta_model)
    windows = count_windows(meta_model)
    first, *others = (_planned(own, model, meta_model, windows) for own in specs)
    return replace(first, others=tuple(others))


def _planned(
    spec: PruneSpec, model: ModelFolder, meta_model: MetaModel, windows: ExpectedWindows
) -> PlannedJob:
    """Return a job that compares no methods, or one of those that it compares."""
    last = last_increment(spec)
    recipe = recipe_at(recipe_of(spec), last)
    if not recipe.is_calibrated:
        windows = replace(windows, calibration=0)
    calibration = _ids(windows.calibration + windows.keep, windows.seq_len)
    evaluation = _ids(windows.evaluation, windows.evaluation_seq_len)
    compares = compares_in_sweep(recipe, recovery_of(spec))
    left = 0 if compares else windows.evaluation
    most = max(windows.calibration, windows.training + windows.held_out)
    return PlannedJob(
        meta_model=meta_model,
        windows=windows,
        shape=model_shape(meta_model, recipe),
        work=workload(meta_model, recipe, calibration, evaluation, compares=compares),
        recovery=_planned_recovery(spec, meta_model, windows, last),
        increments=last.total,
        result_warnings=result_warnings(recipe, meta_model),
        token_bytes=_token_bytes(spec, model, meta_model),
        compared=compared_count(spec, left, windows.evaluation_seq_len),
        written=ceil(generated_share(spec) * most),
    )


def _token_bytes(spec: PruneSpec, model: ModelFolder, meta_model: MetaModel) -> int | None:
    """Return the size of the rows of tokens that go; 0 if only the text decides how many."""
    if (asked := spec.vocabulary) is None:
        return None
    checked_vocabulary(asked, model)
    rows = model_rows(asked, meta_model)
    return 0 if asked.keep is None else max(0, rows.count - asked.keep) * rows.bytes_of_row


def _planned_recovery(
    spec: PruneSpec, meta_model: MetaModel, windows: ExpectedWindows, increment: Increment
) -> PlannedRecovery | None:
    """Return the recovery of one increment, which is the whole one of most jobs."""
    if (whole := recovery_of(spec)) is None:
        return None
    settings = recovery_at(whole, windows.seq_len, increment)
    own = window_count(settings, windows.seq_len)
    training = _ids(min(windows.training, own), windows.seq_len)
    held_out = max(held_out_count(own), 1 + len(spec.mix))
    measured = _ids(min(windows.held_out, held_out), windows.seq_len)
    evaluation = _ids(windows.evaluation, windows.evaluation_seq_len)
    work = recovery_work(meta_model, training, measured, evaluation)
    first = recipe_at(recipe_of(spec), Increment(1, increment.total))  # the largest model
    return PlannedRecovery(recovery_shape(meta_model, first), settings, work)


def _ids(count: int, seq_len: int) -> Tensor:
    """Return an empty tensor ``[count, seq_len]`` on ``meta``: a plan needs only its shape."""
    return torch.empty(count, seq_len, device="meta")
