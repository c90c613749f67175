"""Become another program: ``python child.py PROGRAM ARGUMENT…``.

It gives up root first, and ties its life to that of the process that started it.
"""

import ctypes
import os
import pwd
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    if os.geteuid() == 0:
        nobody = pwd.getpwnam("nobody")
        os.setgroups([])
        os.setgid(nobody.pw_gid)
        os.setuid(nobody.pw_uid)
    if sys.platform == "linux":  # after setuid, which would forget it
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGQUIT)
    os.chdir("/")
    os.execv(arguments[0], arguments)


if __name__ == "__main__":
    main(sys.argv[1:])
