"""The control process: its periodic tasks, at the times that the plan wants."""

from functools import partial
from typing import cast

from sqlalchemy.exc import OperationalError

from db.core.retention_rules import RetentionRule
from db.events.event_order import order_events
from db.webhooks import fanout
from db.webhooks.dispatch import SendResult
from tests.simulation.kernel import Process
from tests.simulation.world import World
from worker.control import cleanup, relay, retention
from worker.control.lease_recovery import LeaseRecovery
from worker.outputs.attempt import OutputAttempt
from worker.outputs.dispatcher import OutputDispatcher
from worker.outputs.failures import TargetError
from worker.outputs.sender import Sender as OutputSender
from worker.webhooks.dispatcher import WebhookDispatcher
from worker.webhooks.sender import Sender

RULES = (RetentionRule(name="few", max_jobs=1), RetentionRule(name="none", max_jobs=0))
RECOVER_EVERY_S = 50.0


class WebhookReceiver:
    """The receiver of a webhook, which accepts most messages."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.messages: list[str] = []

    def send(self, url: str, body: str, headers: dict[str, str]) -> SendResult:
        world = self._world
        world.kernel.pause("send", s=world.random.choice((0.1, 5.0, 70.0)))
        message = headers["webhook-id"]
        if message in self.messages:
            world.reach("a webhook got a message twice")
        self.messages.append(message)
        status = world.random.choice((200, 200, 200, 503))
        return SendResult(0.1, status=status)


class OutputTarget:
    """The target of all outputs, which accepts half of them."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.outputs: list[str] = []

    def send(self, attempt: OutputAttempt) -> str:
        world = self._world
        for _ in attempt.output.artifacts:
            world.kernel.sleep(world.random.choice((0.1, 10.0)))
            attempt.check()
        attempt.require_held()
        if attempt.output.job_id in self.outputs:
            world.reach("an output was sent twice")
        self.outputs.append(attempt.output.job_id)
        if world.random.random() < 0.5:
            raise TargetError(None, "the connection was closed")
        return "https://hub.example/org/pruned"


class Control:
    """The tasks of one control process."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.receiver, self.target = WebhookReceiver(world), OutputTarget(world)
        self._process = Process("a/control", "a")
        self._start()

    def _start(self) -> None:
        self._process = Process("a/control", "a")
        for at, task in self._world.plan.turns:
            if at >= self._world.kernel.now:
                self._world.spawn(self._process, task, partial(self._turn, at, task))
        self._world.spawn(self._process, "recovery", self._recover)

    restart = _start

    def _turn(self, at: float, task: str) -> None:
        self._world.kernel.sleep(at - self._world.kernel.now)
        self.do(task)

    def do(self, task: str) -> None:
        """Do a task once, as its thread does: an error ends only this turn."""
        try:
            getattr(self, f"_{task}")()
        except OperationalError:
            self._world.reach("the database was locked for too long")

    def _relay(self) -> None:
        world = self._world
        if relay.relay(world.sessions, world.broker.publish, world.broker.message_count):
            world.reach("the relay published a message")

    def _webhook(self) -> None:
        world = self._world
        order_events(world.sessions)
        fanout.fan_out(world.sessions)
        self._send_messages()

    def _send_messages(self) -> None:
        dispatcher = WebhookDispatcher(self._world.sessions, cast(Sender, self.receiver))
        while (claimed := dispatcher._claim([])) is not None:
            dispatcher._send(claimed)

    def _output(self) -> None:
        world = self._world
        dispatcher = OutputDispatcher(world.sessions, world.store, cast(OutputSender, self.target))
        if (claimed := dispatcher._claim([])) is not None:
            dispatcher._send(claimed)

    def _retention(self) -> None:
        world = self._world
        retention.delete_files(world.sessions, world.store, RULES)

    def _cleanup(self) -> None:
        world = self._world
        cleanup.delete_orphans(world.sessions, world.store)
        cleanup.delete_old_events(world.sessions, events_s=0, audit_s=0)

    def _recover(self) -> None:
        world = self._world
        recovery = LeaseRecovery(
            world.sessions, world.store, world.settings, lambda: world.kernel.now
        )
        while not world.is_over:
            world.kernel.pause("recovery", lambda: world.is_over, RECOVER_EVERY_S)
            if not world.is_over:
                try:
                    recovery.run()
                except OperationalError:
                    world.reach("the database was locked for too long")
