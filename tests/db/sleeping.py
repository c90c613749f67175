"""Bounded work that writes its process id, and then sleeps or computes without end."""

import os
import time
from pathlib import Path
from typing import Any

from db.files.bounded_process import serve_bounded


def _go_on(asked: dict[str, Any]) -> dict[str, Any]:
    here = Path(asked["here"])
    here.with_suffix(".new").write_text(str(os.getpid()))
    here.with_suffix(".new").rename(here)
    while asked.get("computes"):
        pass
    time.sleep(3600)
    return {}


if __name__ == "__main__":
    serve_bounded(_go_on)
