"""The use of a worker's device."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from worker.pool import usage
from worker.pool.usage import Usage, cpu_usage, gpu_usage


def test_the_processor_has_a_load_and_used_memory() -> None:
    cpu_usage()  # the load is that since the last call
    sum(range(10**6))
    found = cpu_usage()
    assert found.load is not None
    assert 0 <= found.load <= 1
    assert found.memory_used_bytes is not None
    assert found.memory_used_bytes > 10**6


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_machine_without_a_gpu_says_that_its_use_is_unknown() -> None:
    assert gpu_usage(0, 2) == Usage()


@pytest.mark.gpu
def test_a_gpu_has_a_load_memory_and_a_temperature() -> None:
    pytest.importorskip("pynvml")
    kept = torch.zeros(1 << 28, dtype=torch.uint8, device="cuda")
    found = gpu_usage(0, 1)
    assert found.memory_used_bytes is not None
    assert found.memory_used_bytes > kept.numel()
    assert found.temperature_c is not None
    assert 0 < found.temperature_c < 120


class FakeLibrary(SimpleNamespace):
    """NVIDIA's library, with two GPUs of which one is a part without a load."""

    NVMLError = ValueError
    NVML_TEMPERATURE_GPU = 0

    def nvmlInit(self) -> None: ...  # noqa: N802 - its name in the library
    def nvmlShutdown(self) -> None: ...  # noqa: N802 - as above

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:  # noqa: N802 - as above
        return index

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> int:  # noqa: N802 - as above
        return {"GPU-b": 1}[uuid]

    def nvmlDeviceGetMemoryInfo(self, handle: int) -> Any:  # noqa: N802 - as above
        return SimpleNamespace(used=10**9 * (handle + 1))

    def nvmlDeviceGetUtilizationRates(self, handle: int) -> Any:  # noqa: N802 - as above
        if handle == 1:
            raise self.NVMLError
        return SimpleNamespace(gpu=80)

    def nvmlDeviceGetTemperature(self, handle: int, kind: int) -> int:  # noqa: N802 - as above
        return 50 + handle


def test_several_gpus_are_counted_as_cuda_counts_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usage, "import_module", lambda name: FakeLibrary())
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert gpu_usage(0, 2) == Usage(0.8, 3 * 10**9, 51)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-b, 0")
    assert gpu_usage(0, 1) == Usage(None, 2 * 10**9, 51)
    assert gpu_usage(1, 1) == Usage(0.8, 10**9, 50)
