"""A message broker that loses, repeats and delays messages, as far as a schedule wants it."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from random import Random

from tests.simulation.kernel import Kernel

REDELIVERED_AFTER_S = 40.0


@dataclass
class Message:
    """A message that waits, or that a worker has taken and not yet confirmed."""

    job_id: str
    queue: str
    visible_at: float


class Broker:
    """Queues of messages, with the operations that API, control and worker use.

    Args:
        trouble: the probability of each kind of trouble.
        on_publish: called with the id of each job of which a message is published.

    Attributes:
        named: the jobs of which a message was published.
    """

    def __init__(
        self,
        kernel: Kernel,
        random: Random,
        trouble: float,
        reach: Callable[[str], None],
        on_publish: Callable[[str], None],
    ) -> None:
        self._kernel, self._random, self._trouble = kernel, random, trouble
        self._reach, self._on_publish = reach, on_publish
        self.messages: list[Message] = []
        self.named: set[str] = set()

    def push(self, job_id: str, queue: str = "gpu") -> bool:
        """Publish as the API does: return whether that succeeded."""
        if self._happens():
            self._reach("the broker was down for the API")
            return False
        self.publish(job_id, queue)
        return True

    def publish(self, job_id: str, queue: str) -> None:
        """Publish as control does."""
        self._kernel.pause("publish")
        self._on_publish(job_id)
        if job_id in self.named:
            self._reach("a message was repeated")
        self.named.add(job_id)
        if self._happens():
            self._reach("a message was lost")
            return
        copies = 1
        if self._happens():
            self._reach("a message was doubled")
            copies = 2
        for _ in range(copies):
            delay = 0.0
            if self._happens():
                self._reach("a message was delayed")
                delay = self._random.uniform(1, 60)
            self.messages.append(Message(job_id, queue, self._kernel.now + delay))

    def message_count(self, queue: str) -> int:
        self._kernel.pause("count")
        return sum(one.queue == queue for one in self.messages)

    def visible(self, queues: Collection[str]) -> list[Message]:
        """Return the messages that can be taken out of these queues now."""
        now = self._kernel.now
        return [one for one in self.messages if one.visible_at <= now and one.queue in queues]

    def take(self, queues: Collection[str]) -> Message | None:
        """Take any message out of these queues; it comes back unless it is confirmed."""
        if not (visible := self.visible(queues)):
            return None
        taken = self._random.choice(visible)
        self.messages.remove(taken)
        return taken

    def put_back(self, message: Message, delay_s: float = 0.0) -> None:
        self.messages.append(replace(message, visible_at=self._kernel.now + delay_s))

    def _happens(self) -> bool:
        return self._random.random() < self._trouble
