"""A fork server without the engine, whose import takes seconds; so it does not look for CUDA."""

import sys

SERVER = """
from worker.pool import fork_server
fork_server.PRELOAD, fork_server.refusal = (), lambda _: {refusal!r}
fork_server._reseed = lambda: None
fork_server.main()
"""


def command(refusal: str | None = None) -> list[str]:
    """Return the server's command.

    Args:
        refusal: why the server refuses to fork; None if it does not.
    """
    return [sys.executable, "-c", SERVER.format(refusal=refusal)]
