"""What no input may do to a process: take memory, time or disk, run code, or leave its folders."""

import os
import resource
import signal
import sys
from pathlib import Path
from typing import Any

MEMORY_BYTES = 1 << 30
"""The most memory that a process may take for one input, beside what it has already."""
FILE_BYTES = 64 << 20
CPU_S = 10.0
BLOCKED_S = 120
BOUNDED = {
    *("db.files.file_check", "worker.sources.tokenizer"),
    *("worker.templates.chats", "worker.templates.tasks"),
}
"""The modules that the service itself starts in a process of its own, with limits."""
PROCESSES = {"subprocess.Popen", "os.posix_spawn", "os.exec", "os.system", "os.fork", "pty.spawn"}
NETWORK = {"socket.connect", "socket.getaddrinfo"}
CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.symlink", "os.link", "os.chmod"}


class Guard:
    """Records what this process does that no input may make it do.

    Args:
        root: the folder below which files may be written.
        outside: the folder in it that must be neither read nor written.
    """

    def __init__(self, root: Path, outside: Path) -> None:
        self._root, self._outside = os.path.realpath(root), os.path.realpath(outside)
        self.found: list[str] = []
        sys.addaudithook(self._audit)
        resource.setrlimit(resource.RLIMIT_AS, (_virtual_bytes() + MEMORY_BYTES,) * 2)
        resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_BYTES, FILE_BYTES))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        signal.signal(signal.SIGPROF, signal.SIG_DFL)

    def begin(self) -> None:
        """Forget the last input, and give the next one its time.

        The time is that of the processor, except for an input that blocks; past it the process
        ends by a signal.
        """
        self.found.clear()
        signal.setitimer(signal.ITIMER_PROF, CPU_S)
        signal.alarm(BLOCKED_S)

    def _audit(self, event: str, args: tuple[Any, ...]) -> None:
        if event == "open" and isinstance(args[0], str | bytes):
            self._file(os.fsdecode(args[0]), bool(args[2] & (os.O_WRONLY | os.O_RDWR)))
        elif event in CHANGES:
            # Whole folders are deleted by names in an open folder.
            is_below_open = event in {"os.remove", "os.rmdir"} and args[1] >= 0
            folder = f"/proc/self/fd/{args[1]}" if is_below_open else ""
            for path in (one for one in args if isinstance(one, str | bytes)):
                self._file(os.path.join(folder, os.fsdecode(path)), True)
        elif (event in PROCESSES and not _is_bounded(args)) or event in NETWORK:
            self.found.append(f"{event} {str(args)[:200]}")

    def _file(self, path: str, is_written: bool) -> None:
        real = os.path.realpath(path)
        if _is_below(real, self._outside):
            self.found.append(f"opened {path}, which is outside")
        elif is_written and not (_is_below(real, self._root) or real.startswith("/dev/")):
            self.found.append(f"changed {path}")


def _is_below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder}/")


def _is_bounded(args: tuple[Any, ...]) -> bool:
    words = args[1] if len(args) > 1 and isinstance(args[1], list | tuple) else ()
    return len(words) == 4 and words[0] == sys.executable and words[-1] in BOUNDED


def _virtual_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    return pages * resource.getpagesize()
