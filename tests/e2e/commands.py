"""The command line of the client, as a process."""

import subprocess
import sys

from tests.e2e.embedded import (
    Service,
)


def run(service: Service, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", "-m", "zpruner", *words]
    return subprocess.run(
        command, env={"ZPRUNER_URL": service.url}, capture_output=True, text=True, check=False
    )
