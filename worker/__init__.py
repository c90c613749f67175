"""The worker: takes job ids from a queue, prunes models and stores the results."""

import os

# By default a thread of OpenMP spins while it waits for the others. If other programs use the
# processors, it spins in the time that the others need, and an operation of microseconds takes
# milliseconds. It has to be set before torch, which loads OpenMP, is imported.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
