"""Children of a supervisor."""

from zpruner.serve.supervisor import Child


def pid(child: Child) -> int:
    assert child.process is not None
    return child.process.pid
