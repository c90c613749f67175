"""The world of one schedule: its processes, what happens to them, and what has to hold."""

from collections.abc import Callable
from random import Random

from db.core.session import Sessions
from db.spec.datasets.upload_store import UploadStore
from tests.simulation.broker import REDELIVERED_AFTER_S, Broker, Message
from tests.simulation.database import Database
from tests.simulation.files import SimulatedStore
from tests.simulation.invariants import Invariants
from tests.simulation.kernel import Actor, Kernel, Process
from tests.simulation.plan import Fault, JobPlan, Plan
from worker.settings import WorkerSettings


class World:
    """What all actors of a schedule share.

    Attributes:
        is_over: whether the processes of the schedule should end.
        reached: the rare situations that have occurred.
        trace: a line for each step; None if nobody reads them.
        restarts: what starts the processes of a host again, by the host's name.
    """

    def __init__(
        self,
        seed: int,
        plan: Plan,
        database: Database,
        store: SimulatedStore,
        settings: WorkerSettings,
        uploads: UploadStore,
        trace: list[str] | None = None,
    ) -> None:
        self.plan, self.database, self.store = plan, database, store
        self.settings, self.uploads, self.trace = settings, uploads, trace
        self.sessions: Sessions = database.sessions
        self.random = Random(seed)
        self.kernel = Kernel(self.random)
        self.kernel.on_step = self._after_step
        database.reset(self.kernel)
        database.before_statement = self._before_statement
        store.reset(self.kernel)
        self.reached: set[str] = set()
        self.is_over = False
        self.busy_clients = 0
        self.restarts: dict[str, list[Callable[[], None]]] = {}
        self.invariants = Invariants(self)
        self.broker = Broker(
            self.kernel, self.random, plan.trouble, self.reach, self.invariants.check_message
        )
        self._plans: dict[str, JobPlan] = {}
        self._held: list[tuple[Message, Process]] = []
        self._faults = sorted(plan.faults, key=lambda fault: fault.statement)
        self._statements = self._commits = 0

    def reach(self, situation: str) -> None:
        self.reached.add(situation)

    def spawn(self, process: Process, label: str, run: Callable[[], object]) -> Actor:
        return self.kernel.spawn(process, label, run)

    def set_plan(self, job_id: str, plan: JobPlan) -> None:
        self._plans[job_id] = plan

    def plan_of(self, job_id: str) -> JobPlan:
        return self._plans[job_id]

    def hold(self, message: Message, process: Process) -> None:
        """Note that a process has taken a message: if its host crashes, the broker repeats it."""
        self._held.append((message, process))

    def confirm(self, message: Message) -> None:
        self._held = [(one, process) for one, process in self._held if one is not message]

    def end_host(self, host: str) -> None:
        """End all processes of a host; the broker repeats what they have not confirmed."""
        for process in dict.fromkeys(actor.process for actor in self.kernel.actors):
            if process.host == host:
                self.kernel.end_process(process)
        lost = [message for message, process in self._held if process.host == host]
        self._held = [(one, process) for one, process in self._held if process.host != host]
        for message in lost:
            self.broker.put_back(message, REDELIVERED_AFTER_S)
        if host in self.restarts:
            nobody = Process(f"{host}/boot", "nowhere")
            self.spawn(nobody, "boot", lambda: self._boot(host))

    def _boot(self, host: str) -> None:
        self.kernel.sleep(20)
        for restart in self.restarts[host]:
            restart()

    def _before_statement(self) -> None:
        self.kernel.require_alive()
        self._statements += 1
        while self._faults and self._faults[0].statement <= self._statements:
            self._strike(self._faults.pop(0))
        self.kernel.require_alive()

    def _strike(self, fault: Fault) -> None:
        assert self.kernel.running is not None
        process = self.kernel.running.process
        self.note(f"{fault.kind} {fault.s or ''}")
        is_writing = self.database.is_writing
        if fault.kind == "clock":
            self.database.shift(fault.s)
            self.invariants.disturb_all()
            self.reach("the clock went back" if fault.s < 0 else "the clock went forward")
        elif fault.kind in {"freeze", "stall"}:
            process.frozen_until, process.is_disturbed = self.kernel.now + fault.s, True
            self.reach("a process was frozen")
            if fault.kind == "freeze":
                return
            if is_writing:
                self.invariants.disturb_all()
                self.reach("a process was frozen in a transaction")
            self.kernel.pause("frozen")
        elif fault.kind == "power":
            self.reach("the power failed")
            for actor in list(self.kernel.actors):
                self.kernel.end_process(actor.process)
        elif fault.kind == "host" or process.name.endswith("/parent"):
            self.reach("a host crashed")
            self.end_host(process.host)
        else:
            self.reach("a process crashed in a transaction" if is_writing else "a process crashed")
            self.kernel.end_process(process)
            if process.name.endswith("/control"):
                self.spawn(Process("boot", "nowhere"), "boot", lambda: self._boot("control"))

    def _after_step(self, actor: Actor) -> None:
        if self.database.commits != self._commits:
            self._commits = self.database.commits
            changes = self.invariants.check(actor)
            self.is_over = self.busy_clients == 0 and self.invariants.all_ended
        else:
            changes = []
        self.is_over = self.is_over or self.kernel.now > self.plan.horizon_s
        if self.trace is not None:
            self.note(f"{actor.process.name} {actor.label}: {actor.point} {'; '.join(changes)}")

    def note(self, text: str) -> None:
        if self.trace is not None:
            self.trace.append(f"{self.kernel.steps:4} {self.kernel.now:8.3f} {text}")
