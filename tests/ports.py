"""Ports for servers that a test starts later."""

import os
import random
import socket
from itertools import count

FIRST, OF_ONE_PROCESS, PROCESSES = 20_000, 1000, 12
"""Below 32,768, where Linux looks for the ports of clients and of servers that name none."""
_numbers = count(random.randrange(OF_ONE_PROCESS))


def free_port() -> int:
    """Return an unused port of the loopback interface that no other test is given meanwhile.

    A server takes seconds to start. If the system chose the port, it could give it away until then.
    """
    process = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % PROCESSES
    while True:
        port = FIRST + OF_ONE_PROCESS * process + next(_numbers) % OF_ONE_PROCESS
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
