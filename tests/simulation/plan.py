"""What a seed decides before its schedule begins: jobs, clients, features and faults."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from random import Random
from typing import Literal

Trouble = Literal["crash", "host", "freeze", "stall", "clock", "power"]
End = Literal["done", "refused", "later"]
ENDS: tuple[tuple[End, ...], ...] = (
    *(("done",), ("done",), ("done",)),
    *(("refused",), ("later", "done")),
)
STATEMENTS = 45
"""About as many statements as most schedules execute; faults strike at any of them."""
COMMANDS = ("cancel", "pause", "resume", "retry", "delete", "cancel", "pause", "resume")
KINDS: tuple[Trouble, ...] = (
    *("crash", "crash", "crash", "host", "host"),
    *("freeze", "freeze", "stall", "clock", "clock"),
)
"""A process that is frozen stops between two transactions; one that is stalled, within one.

After a failure of the power, the schedule ends: only what is stored is left.
"""
FEATURES = ("", "", "", "", "quota", "quota", "webhook", "output", "retention", "mixed", "mixed")
LASTING = {"output": 0.4, "webhook": 0.7, "retention": 0.7, "mixed": 0.5}
"""How probable a failure of the power is where control needs time to do its work; else 0.9."""
CLOCK_STEPS_S = (-86_400.0, -3600.0, -30.0, 30.0, 3600.0)
FREEZES_S = (10.0, 45.0, 90.0, 200.0)
MEMORIES_GB = (8, 24, 80)
DEVICES = ("cpu", "cuda: A", "cuda: B")
SERVED = (("gpu",), ("gpu",), ("gpu", "cpu"), ("cpu",))
"""The queues of a worker in a schedule with mixed ones."""


@dataclass(frozen=True)
class HostPlan:
    """A host with a worker; one whose device is unknown does not report to the registry.

    Attributes:
        drained: when an operator begins and ends to drain the worker.
        survives: whether the worker is there when the schedule has ended.
    """

    name: str
    queues: tuple[str, ...] = ("gpu",)
    device: str | None = None
    memory_gb: int = 0
    drained: tuple[float, float] | None = None
    survives: bool = True


@dataclass(frozen=True)
class JobPlan:
    """What becomes of a job if nothing disturbs it.

    Attributes:
        submitted_at: when its client submits it.
        block_s: how long each of its blocks takes.
        ends: how its work ends, by attempt; the last entry counts for all further ones.
        commands: what its client asks for, and when.
        has_key: whether its client has an API key; all others share one turn.
        min_gb: the memory that it asks for.
        planned_gb: the memory that its plan needs.
    """

    submitted_at: float
    block_s: tuple[float, ...]
    ends: tuple[End, ...]
    commands: tuple[tuple[float, str], ...]
    has_key: bool = True
    queue: str = "gpu"
    priority: int = 0
    min_gb: int | None = None
    planned_gb: int | None = None


@dataclass(frozen=True)
class Fault:
    """Something that happens before a statement is executed, by the number of the statement."""

    statement: int
    kind: Trouble
    s: float = 0.0


@dataclass(frozen=True)
class Plan:
    """The plan of one schedule.

    Attributes:
        quota: how many unfinished jobs the key of all jobs may have; None: the jobs have no key.
        trouble: the probability that the broker loses, repeats or delays a message.
        turns: when control does what, besides the recovery of leases.
        is_mixed: whether workers differ, and some jobs can run only on some of them.
    """

    jobs: tuple[JobPlan, ...]
    faults: tuple[Fault, ...]
    trouble: float
    hosts: tuple[HostPlan, ...]
    quota: int | None
    has_webhook: bool
    has_output: bool
    has_retention: bool
    turns: tuple[tuple[float, str], ...]
    is_mixed: bool

    @property
    def horizon_s(self) -> float:
        """After this time, no worker takes a further message."""
        return 80.0 if self.is_mixed else 250.0


def plan(random: Random, feature: str | None = None) -> Plan:
    """Draw the plan of a schedule; its feature is one of `FEATURES`."""
    feature = random.choice(FEATURES) if feature is None else feature
    is_mixed = feature == "mixed"
    jobs = 1 + (feature == "quota" or random.random() < 0.35) + 2 * is_mixed
    tasks = ["relay"]
    if feature in {"webhook", "output"}:
        tasks += 2 * [feature] if feature == "webhook" else 3 * [feature]
    if feature == "retention":
        tasks += ["retention", "cleanup"]
    turns = ((random.uniform(0, 150), random.choice(tasks)) for _ in range(2 * len(tasks)))
    return Plan(
        jobs=tuple(_job(random, is_mixed=is_mixed) for _ in range(jobs)),
        faults=tuple(_faults(random, LASTING.get(feature, 0.9), 2 if is_mixed else 1)),
        trouble=random.choice((0.0, 0.0, 0.2)),
        hosts=tuple(_host(random, name) if is_mixed else HostPlan(name) for name in ("a", "b")),
        quota=1 if feature == "quota" else None,
        has_webhook=feature == "webhook",
        has_output=feature == "output",
        has_retention=feature == "retention",
        turns=tuple(sorted(turns)),
        is_mixed=is_mixed,
    )


def _host(random: Random, name: str) -> HostPlan:
    begin = random.uniform(0, 40)
    return HostPlan(
        name,
        queues=random.choice(SERVED),
        device=random.choice(DEVICES),
        memory_gb=random.choice(MEMORIES_GB),
        drained=random.choice((None, None, (begin, begin + 30))),
        survives=random.random() < 0.6,
    )


def _job(random: Random, *, is_mixed: bool) -> JobPlan:
    blocks = random.choice((1, 1, 1, 2))
    ends = random.choice(ENDS)
    count = random.choice((0, 0, 0, 1, 2))
    commands = ((random.expovariate(1 / 20), random.choice(COMMANDS)) for _ in range(count))
    job = JobPlan(
        submitted_at=random.choice((0.0, random.uniform(0, 30))),
        block_s=tuple(random.choice((0.5, 0.5, 0.5, 20.0, 100.0)) for _ in range(blocks)),
        ends=ends,
        commands=tuple(sorted(commands)),
    )
    return _for_some(random, job) if is_mixed else job


def _for_some(random: Random, job: JobPlan) -> JobPlan:
    """Return the job as one that perhaps only some workers can run."""
    return replace(
        job,
        has_key=random.random() < 0.5,
        queue=random.choice(("gpu", "gpu", "gpu", "cpu")),
        priority=random.choice((0, 0, 0, 1)),
        min_gb=random.choice((None, None, None, *MEMORIES_GB)),
        planned_gb=random.choice((None, 24, 24, 80, 200)),
    )


def _faults(random: Random, failing_power: float, length: int) -> Iterator[Fault]:
    """Draw the faults of a schedule with ``length`` times `STATEMENTS` statements."""
    for _ in range(random.choice((0, 1, 1, 2, 3))):
        fault = _fault(random, length)
        yield fault
        if fault.kind == "freeze":  # another process works meanwhile, and both go on afterwards
            failing_power /= 2
        if fault.kind == "clock" and random.random() < 0.5:  # soon after, somebody is lost
            yield Fault(fault.statement + random.randrange(1, 12), "host")
    if random.random() < failing_power:
        yield Fault(random.randrange(12, round(1.5 * length * STATEMENTS)), "power")


def _fault(random: Random, length: int) -> Fault:
    kind: Trouble = random.choice(KINDS)
    seconds = {"freeze": FREEZES_S, "stall": FREEZES_S, "clock": CLOCK_STEPS_S}
    return Fault(
        random.randrange(length * STATEMENTS), kind, random.choice(seconds.get(kind, (0.0,)))
    )


def bytes_of(gb: int | None) -> int | None:
    return None if gb is None else gb * 10**9
