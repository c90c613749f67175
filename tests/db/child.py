"""Become another program: ``python child.py PROGRAM ARGUMENT…``.

It gives up root first, and ties its life to that of the process that started it.
"""

import os
import pwd
import signal
import sys

from db.startup.parent_death import exit_with_parent


def main(arguments: list[str]) -> None:
    if os.geteuid() == 0:
        nobody = pwd.getpwnam("nobody")
        os.setgroups([])
        os.setgid(nobody.pw_gid)
        os.setuid(nobody.pw_uid)
    exit_with_parent(signal_number=signal.SIGQUIT)  # after setuid, which would clear it
    os.chdir("/")
    os.execv(arguments[0], arguments)


if __name__ == "__main__":
    main(sys.argv[1:])
