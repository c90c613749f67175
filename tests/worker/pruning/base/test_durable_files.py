"""Failed writes raise the system's error."""

import errno
import subprocess
import sys
from pathlib import Path

WRITES = """
import resource, signal, sys
import torch
from pathlib import Path
from worker.pruning.base.durable_files import save_tensors
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    save_tensors({"weight": torch.zeros(1000, 100)}, Path(sys.argv[1]))
except OSError as error:
    sys.exit(error.errno)
"""


def test_a_failed_write_raises_an_os_error_and_leaves_no_file(tmp_path: Path) -> None:
    target = tmp_path / "model.safetensors"
    done = subprocess.run([sys.executable, "-c", WRITES, str(target)], check=False)
    assert done.returncode == errno.EFBIG
    assert not target.exists()
