"""Bounded work that says who does it, and then does not end by itself."""

import os
import time
from pathlib import Path
from typing import Any

from db.files.bounded_process import serve_bounded


def _sleep(asked: dict[str, Any]) -> dict[str, Any]:
    here = Path(asked["here"])
    here.with_suffix(".new").write_text(str(os.getpid()))
    here.with_suffix(".new").rename(here)
    time.sleep(3600)
    return {}


if __name__ == "__main__":
    serve_bounded(_sleep)
