"""Whether a worker can start: ``python -m worker.pool.checks`` answers in JSON.

A program of its own for ``zpruner serve`` and ``zpruner doctor``, which know nothing of workers.
"""

import subprocess
import sys
from importlib import import_module

from db.startup import checks
from db.startup.checks import Finding, SettingsError
from worker.device import NoDeviceError, ask, look
from worker.settings import WorkerSettings


def of_control(settings: WorkerSettings) -> list[Finding]:
    """Check what the control process needs: it repairs while a broker or a GPU is away."""
    return [*checks.folders(settings), checks.database(settings.database)]


def of_worker(settings: WorkerSettings) -> list[Finding]:
    """Check what a worker needs besides."""
    return [*of_control(settings), device(settings), checks.broker(settings.broker)]


def device(settings: WorkerSettings) -> Finding:
    """Check that the device is there, where the setting insists on one."""
    if not settings.device.startswith("cuda"):
        return Finding("device", "ok", settings.device)
    try:
        found = ask(settings.device, settings.devices)
    except (NoDeviceError, OSError, subprocess.SubprocessError) as error:
        return Finding(
            "device",
            "wrong",
            f"ZPRUNER_DEVICE={settings.device}, ZPRUNER_DEVICES={settings.devices}: {error}. Set "
            "auto or cpu, or mend the driver and install a build of torch for it.",
        )
    return Finding("device", "ok", found.name)


def machine(wanted: str) -> list[Finding]:
    """Say what jobs would be computed on and in; imports torch."""
    try:
        torch = import_module("torch")
        found, compute = look(wanted), import_module("worker.pruning.base.compute")
    except (ImportError, NoDeviceError) as error:
        return [Finding("torch", "wrong", f"{error}. pip install 'zpruner[worker]'")]
    place = compute.compute_device(wanted)
    fast = compute.dtype_name(compute.compute_dtype("auto", place))
    cuda = torch.cuda.device_count() if torch.cuda.is_available() else 0
    return [
        Finding("torch", "ok", f"{torch.__version__}, jobs on {found.name}"),
        Finding("cuda", "ok" if cuda else "absent", f"{cuda} devices"),
        Finding("bfloat16", "ok" if fast == "bfloat16" else "absent", f"jobs compute in {fast}"),
    ]


def main() -> None:
    """Check what concerns a worker alone."""
    try:
        settings = checks.read(WorkerSettings)
    except SettingsError as error:
        checks.answer(checks.wrong_settings(error))
    else:
        found = device(settings)
        can_look = "--all" in sys.argv and found.state == "ok"
        checks.answer([found, *(machine(settings.device) if can_look else [])])


if __name__ == "__main__":
    main()
