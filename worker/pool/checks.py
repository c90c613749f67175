"""The startup checks of workers.

``zpruner serve`` and ``zpruner doctor`` do not import the worker's code. They run
``python -m worker.pool.checks``, which checks the worker's settings and device, and prints the
findings as JSON. With ``--all``, it also checks how busy the processors are, and torch, unless the
device is not usable.
"""

import subprocess
import sys
from importlib import import_module

from db.startup import checks
from db.startup.artifact_storage import check_artifacts
from db.startup.checks import Finding
from db.startup.encryption_keys import check_encryption
from db.startup.read_settings import SettingsError, read_settings
from worker.device import NoDeviceError, detect, detect_in_subprocess
from worker.jobs.signature import check_signing_key
from worker.pool.processor_check import check_processor
from worker.settings import WorkerSettings


def check_control(settings: WorkerSettings) -> list[Finding]:
    """Check what the control process needs; it works without a broker and without a GPU."""
    database = checks.database(settings.database)
    stored = [check_encryption(settings), *check_artifacts(settings)]
    return [*checks.folders(settings), database, *stored]


def check_worker(settings: WorkerSettings) -> list[Finding]:
    signing_key = check_signing_key(settings.signing_key_file)
    own = [check_device(settings), signing_key, checks.broker(settings.broker)]
    return [*check_control(settings), *own]


def check_device(settings: WorkerSettings) -> Finding:
    """If the settings name a GPU, check that the machine has as many GPUs as they request."""
    if not settings.device.startswith("cuda"):
        return Finding("device", "ok", settings.device)
    try:
        device = detect_in_subprocess(settings.device, settings.devices)
    except (NoDeviceError, OSError, subprocess.SubprocessError) as error:
        return Finding(
            "device",
            "wrong",
            f"ZPRUNER_DEVICE={settings.device}, ZPRUNER_DEVICES={settings.devices}: {error}. Set "
            "auto or cpu, or repair the driver and install a build of torch for it.",
        )
    return Finding("device", "ok", device.name)


def check_torch(device_name: str) -> list[Finding]:
    """Import torch; report its version and number of GPUs, and the device and dtype of jobs."""
    try:
        torch = import_module("torch")
        detected, compute = detect(device_name), import_module("worker.pruning.base.compute")
    except (ImportError, NoDeviceError) as error:
        return [Finding("torch", "wrong", f"{error}. pip install 'zpruner[worker]'")]
    device = compute.compute_device(device_name)
    dtype = compute.dtype_name(compute.compute_dtype("auto", device))
    cuda = torch.cuda.device_count() if torch.cuda.is_available() else 0
    return [
        Finding("torch", "ok", f"{torch.__version__}, jobs on {detected.name}"),
        Finding("cuda", "ok" if cuda else "absent", f"{cuda} devices"),
        Finding("bfloat16", "ok" if dtype == "bfloat16" else "absent", f"jobs compute in {dtype}"),
    ]


def main() -> None:
    try:
        settings = read_settings(WorkerSettings)
    except SettingsError as error:
        checks.print_findings(checks.settings_findings(error))
    else:
        device = check_device(settings)
        with_torch = "--all" in sys.argv and device.state == "ok"
        findings = [device, check_signing_key(settings.signing_key_file)]
        if "--all" in sys.argv:
            findings.append(check_processor(settings.worker_nice))
        checks.print_findings([*findings, *(check_torch(settings.device) if with_torch else [])])


if __name__ == "__main__":
    main()
