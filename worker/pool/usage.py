"""The usage of a worker's device: its load, used memory and temperature."""

import logging
import os
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import psutil

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Usage:
    """The usage of a device, or of several together; a value is None if it is unknown.

    Attributes:
        load: the share of time in which the device was busy, from 0 to 1; for several devices,
            their mean.
        memory_used_bytes: the used memory; for several devices, their sum.
        temperature_c: the temperature; for several devices, that of the hottest.
    """

    load: float | None = None
    memory_used_bytes: int | None = None
    temperature_c: float | None = None


def cpu_usage() -> Usage:
    """Return the usage of this machine's CPU and memory.

    The load is the mean since the previous call.
    """
    memory = psutil.virtual_memory()
    load = psutil.cpu_percent() / 100
    return Usage(load, memory.total - memory.available, _cpu_temperature())


def gpu_usage(first: int, count: int) -> Usage:
    """Return the usage of ``count`` CUDA devices, from index ``first`` on.

    The values come from NVIDIA's management library. If the library cannot be used, or cannot read
    the memory of a device, all values are None.
    """
    try:
        nvml = import_module("pynvml")
        nvml.nvmlInit()
    except Exception as error:  # its errors have no common base without the library
        logger.debug("the use of the GPU is unknown: %s", error)
        return Usage()
    try:
        return _total([_usage_of(nvml, index) for index in range(first, first + count)])
    except nvml.NVMLError as error:
        logger.debug("the use of the GPU is unknown: %s", error)
        return Usage()
    finally:
        nvml.nvmlShutdown()


def _usage_of(nvml: Any, index: int) -> Usage:
    handle = _handle(nvml, index)
    used = int(nvml.nvmlDeviceGetMemoryInfo(handle).used)
    load = temperature = None
    with suppress(nvml.NVMLError):  # a part of a GPU has no load of its own
        load = nvml.nvmlDeviceGetUtilizationRates(handle).gpu / 100
    with suppress(nvml.NVMLError):
        temperature = float(nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU))
    return Usage(load, used, temperature)


def _handle(nvml: Any, index: int) -> Any:
    """Return the handle of the device with this CUDA index, which counts only visible devices."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    names = [name.strip() for name in visible.split(",") if name.strip()]
    name = names[index] if index < len(names) else str(index)
    if name.isdigit():
        return nvml.nvmlDeviceGetHandleByIndex(int(name))
    return nvml.nvmlDeviceGetHandleByUUID(name)


def _total(parts: list[Usage]) -> Usage:
    loads = [part.load for part in parts if part.load is not None]
    used = [part.memory_used_bytes for part in parts if part.memory_used_bytes is not None]
    heats = [part.temperature_c for part in parts if part.temperature_c is not None]
    mean = sum(loads) / len(loads) if loads else None
    return Usage(mean, sum(used) if used else None, max(heats, default=None))


def _cpu_temperature() -> float | None:
    if not hasattr(psutil, "sensors_temperatures"):  # only on Linux and FreeBSD
        return None
    temperatures = psutil.sensors_temperatures()
    sensors = [
        sensor.current for name in ("coretemp", "k10temp") for sensor in temperatures.get(name, [])
    ]
    return max(sensors, default=None)
