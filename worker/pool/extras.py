"""The extras that are installed beside a worker, which decide what its jobs can measure."""

from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version

EXTRAS: Mapping[str, tuple[str, ...]] = {
    "eval": ("lm_eval",),
    "llama": ("gguf", "sentencepiece", "xllamacpp"),
    "openvino": ("gguf", "openvino-genai"),
    "gpu": ("nvidia-ml-py",),
    "otel": ("opentelemetry-sdk", "opentelemetry-exporter-otlp-proto-http"),
}
"""The packages that each extra adds to those of a worker."""


def installed_extras() -> dict[str, str]:
    """Return the version of the first package of each extra whose packages are all installed."""
    versions = {extra: [_version(package) for package in each] for extra, each in EXTRAS.items()}
    return {extra: first for extra, (first, *rest) in versions.items() if first and all(rest)}


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
