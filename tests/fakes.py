"""In-memory fakes of services that tests do not start."""


class ListQueue:
    """A queue that records pushed jobs while it is up."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self.queues: list[str] = []
        self.names = ["gpu@test"]
        self.is_up = True

    def push(self, job_id: str, queue: str = "gpu") -> bool:
        if self.is_up:
            self.ids.append(job_id)
            self.queues.append(queue)
        return self.is_up

    def workers(self, expected: int) -> list[str]:
        if not self.is_up:
            raise ConnectionError("no broker at secret-host")
        return self.names

    def close(self) -> None:
        self.is_up = False
