"""What a seed decides before its schedule begins: jobs, clients, features and faults."""

from collections.abc import Iterator
from dataclasses import dataclass
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
FEATURES = ("", "", "", "", "quota", "quota", "webhook", "output", "retention")
LASTING = {"output": 0.4, "webhook": 0.7, "retention": 0.7}
"""How probable a failure of the power is where control needs time to do its work; else 0.9."""
CLOCK_STEPS_S = (-86_400.0, -3600.0, -30.0, 30.0, 3600.0)
FREEZES_S = (10.0, 45.0, 90.0, 200.0)


@dataclass(frozen=True)
class JobPlan:
    """What becomes of a job if nothing disturbs it.

    Attributes:
        submitted_at: when its client submits it.
        block_s: how long each of its blocks takes.
        ends: how its work ends, by attempt; the last entry counts for all further ones.
        commands: what its client asks for, and when.
    """

    submitted_at: float
    block_s: tuple[float, ...]
    ends: tuple[End, ...]
    commands: tuple[tuple[float, str], ...]


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
    """

    jobs: tuple[JobPlan, ...]
    faults: tuple[Fault, ...]
    trouble: float
    hosts: tuple[str, ...]
    quota: int | None
    has_webhook: bool
    has_output: bool
    has_retention: bool
    turns: tuple[tuple[float, str], ...]


def plan(random: Random) -> Plan:
    """Draw the plan of a schedule."""
    feature = random.choice(FEATURES)
    jobs = 1 + (feature == "quota" or random.random() < 0.35)
    tasks = ["relay"]
    if feature in {"webhook", "output"}:
        tasks += 2 * [feature] if feature == "webhook" else 3 * [feature]
    if feature == "retention":
        tasks += ["retention", "cleanup"]
    turns = ((random.uniform(0, 150), random.choice(tasks)) for _ in range(2 * len(tasks)))
    return Plan(
        jobs=tuple(_job(random) for _ in range(jobs)),
        faults=tuple(_faults(random, LASTING.get(feature, 0.9))),
        trouble=random.choice((0.0, 0.0, 0.2)),
        hosts=("a", "b"),
        quota=1 if feature == "quota" else None,
        has_webhook=feature == "webhook",
        has_output=feature == "output",
        has_retention=feature == "retention",
        turns=tuple(sorted(turns)),
    )


def _job(random: Random) -> JobPlan:
    blocks = random.choice((1, 1, 1, 2))
    ends = random.choice(ENDS)
    count = random.choice((0, 0, 0, 1, 2))
    commands = ((random.expovariate(1 / 20), random.choice(COMMANDS)) for _ in range(count))
    return JobPlan(
        submitted_at=random.choice((0.0, random.uniform(0, 30))),
        block_s=tuple(random.choice((0.5, 0.5, 0.5, 20.0, 100.0)) for _ in range(blocks)),
        ends=ends,
        commands=tuple(sorted(commands)),
    )


def _faults(random: Random, failing_power: float) -> Iterator[Fault]:
    for _ in range(random.choice((0, 1, 1, 2, 3))):
        fault = _fault(random)
        yield fault
        if fault.kind == "freeze":  # another process works meanwhile, and both go on afterwards
            failing_power /= 2
        if fault.kind == "clock" and random.random() < 0.5:  # soon after, somebody is lost
            yield Fault(fault.statement + random.randrange(1, 12), "host")
    if random.random() < failing_power:
        yield Fault(random.randrange(12, round(1.5 * STATEMENTS)), "power")


def _fault(random: Random) -> Fault:
    kind: Trouble = random.choice(KINDS)
    seconds = {"freeze": FREEZES_S, "stall": FREEZES_S, "clock": CLOCK_STEPS_S}
    return Fault(random.randrange(STATEMENTS), kind, random.choice(seconds.get(kind, (0.0,))))
