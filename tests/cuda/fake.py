"""A GPU that is not there: its tensors say that they are on ``cuda:0``, and the CPU computes them.

Unlike those of torch's ``FakeTensorMode``, they have values: code that looks at them runs to its
end, and its results can be compared with those of the CPU. Torch without CUDA can index them and
take their gradients, which it cannot with fake tensors of the type ``cuda``. As on a GPU, an
operation on tensors of two devices fails, and so does a product of integers.

A GPU computes while the program goes on. A program that reads a number waits for it, and each such
place is written down.
"""

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from fnmatch import fnmatchcase
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import torch
from torch import _C, Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._python_dispatch import return_and_correct_aliasing as aliased

CUDA = torch.device("cuda", 0)
MEMORY_BYTES = 80 << 30
_WORKER = f"{Path(__file__).parents[2]}/worker/"
_INSIDE = torch.device("meta", 7)
"""How C++ knows the device: it has no CUDA, but any number of devices of the type ``meta``."""
_CPU = torch.device("cpu")
_ATEN = torch.ops.aten
_SET_DATA = Tensor.data.__set__  # type: ignore[attr-defined] # a property in C++
_OWN = {Tensor.tolist, Tensor.data_ptr, Tensor.as_subclass}
"""Methods that C++ does not look up in a class."""
_COPIES = {_ATEN._to_copy.default, _ATEN.copy_.default}
_READS = {
    _ATEN._local_scalar_dense.default,
    _ATEN.equal.default,
    _ATEN.nonzero.default,
    _ATEN.masked_select.default,
    _ATEN._unique2.default,
    _ATEN.bincount.default,
}
_INDEXING = {_ATEN.index.Tensor, _ATEN.index_put_.default, _ATEN.index_put.default}
_PRODUCTS = {_ATEN.mm.default, _ATEN.bmm.default, _ATEN.addmm.default, _ATEN.mv.default}


class MixedDevicesError(RuntimeError):
    """An operation got tensors of two devices."""


class CudaTensor(Tensor):
    """A tensor on the GPU.

    Attributes:
        on_cpu: its values.
    """

    on_cpu: Tensor
    __torch_function__ = _C._disabled_torch_function_impl  # type: ignore[assignment] # as in torch
    device = property(lambda _: CUDA)
    is_cuda = property(lambda _: True)
    is_cpu = is_meta = property(lambda _: False)

    def tolist(self) -> Any:
        """Return the numbers as a list."""
        return self.cpu().tolist()

    def __deepcopy__(self, memo: Any) -> Tensor:
        copied = self.detach().clone()
        if isinstance(self, nn.Parameter):
            copied = nn.Parameter(copied, self.requires_grad)
        memo[id(self)] = copied
        return copied

    def data_ptr(self) -> int:
        """Return where the values are."""
        return self.on_cpu.data_ptr()

    def as_subclass(self, kind: type[Any]) -> Any:
        """Return the same tensor as one of another class, which stays on the GPU."""
        of_both = CudaTensor if kind is Tensor else type(kind.__name__, (kind, CudaTensor), {})
        return on_gpu(self.on_cpu, of_both)

    @classmethod
    def __torch_dispatch__(cls, func: Any, *_: Any) -> Any:
        """Refuse an operation outside of `fake_cuda`."""
        raise RuntimeError(f"{func} on the GPU of a test that has ended")


def on_gpu(values: Tensor, kind: type[CudaTensor] = CudaTensor) -> CudaTensor:
    """Return a tensor on the GPU that shares its values with one on the CPU."""
    made: CudaTensor = Tensor._make_wrapper_subclass(
        kind,
        values.shape,
        strides=values.stride(),
        storage_offset=values.storage_offset(),
        dtype=values.dtype,
        device=_INSIDE,
    )
    made.on_cpu = values
    return made


class Waits(Counter[str]):
    """How often the program has waited for the GPU, by the place in `worker`."""

    def unknown(self, known: Iterable[str]) -> list[str]:
        """Return the places that match none of the globs."""
        return [place for place in self if not any(fnmatchcase(place, glob) for glob in known)]


@contextmanager
def fake_cuda() -> Iterator[Waits]:
    """Give torch a GPU for the body; yield where the program waits for it."""
    waits = Waits()
    properties = SimpleNamespace(name="fake", total_memory=MEMORY_BYTES)
    functions: dict[str, Callable[..., Any]] = {
        "is_available": lambda: True,
        "device_count": lambda: 1,
        "synchronize": lambda *_: None,
        "mem_get_info": lambda *_: (MEMORY_BYTES, MEMORY_BYTES),
        "max_memory_allocated": lambda *_: 0,
        "get_device_name": lambda *_: properties.name,
        "get_device_properties": lambda *_: properties,
        "is_current_stream_capturing": lambda: False,
    }
    with ExitStack() as stack:
        for name, function in functions.items():
            stack.enter_context(patch.object(torch.cuda, name, function))
        # A build with CUDA would open a stream of its driver, of which there may be none.
        accelerator = patch.object(torch.accelerator, "current_accelerator", lambda **_: None)
        stack.enter_context(accelerator)
        stack.callback(_C._set_only_lift_cpu_tensors, _C._only_lift_cpu_tensors())
        _C._set_only_lift_cpu_tensors(True)  # so that `torch.tensor` moves what it has made
        stack.enter_context(_Dispatch(waits))
        stack.enter_context(_Devices())
        yield waits


class _Devices(TorchFunctionMode):
    """Gives C++ its own name of the device."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[Any],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if func is not torch.device:
            args = tuple(map(_inside, args))
            kwargs = {name: _inside(value) for name, value in kwargs.items()}
        if func in _OWN and isinstance(args[0], CudaTensor):
            return getattr(args[0], func.__name__)(*args[1:], **kwargs)
        if func == _SET_DATA and isinstance(args[0], CudaTensor):
            args[0].on_cpu = args[1].on_cpu
        disabled = _C._disabled_torch_function_impl
        for kind in types:
            if kind.__torch_function__ is not disabled and issubclass(kind, CudaTensor):
                with self:  # its function may switch to a greenlet that also needs this mode
                    return kind.__torch_function__(func, types, args, kwargs)
        return func(*args, **kwargs)


def _inside(value: object) -> object:
    if isinstance(value, torch.device):
        return _INSIDE if value.type == "cuda" else value
    return _INSIDE if isinstance(value, str) and value in ("cuda", "cuda:0") else value


class _Dispatch(TorchDispatchMode):  # type: ignore[no-untyped-call] # of torch
    """Computes on the CPU what is on the GPU."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # nothing is compiled here, and importing the compiler takes seconds

    def __init__(self, waits: Waits) -> None:
        super().__init__()  # type: ignore[no-untyped-call] # of torch
        self._waits = waits

    def __torch_dispatch__(
        self,
        func: Any,
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        tensors = list(_tensors((*args, *kwargs.values())))
        is_on_gpu = any(isinstance(tensor, CudaTensor) for tensor in tensors)
        wanted = kwargs.get("device")
        if not is_on_gpu and wanted != _INSIDE:
            return func(*args, **kwargs)
        if is_on_gpu:
            _check(func, args, tensors)
        plain = {name: _plain(value) for name, value in kwargs.items()}
        result = func(*map(_plain, args), **plain)
        stays = is_on_gpu if wanted is None else wanted == _INSIDE
        if func is _ATEN.copy_.default:
            stays = isinstance(args[0], CudaTensor)
        if is_on_gpu and (_reads(func, args) or not stays):
            self._waits[_place()] += 1
        if stays:
            result = _placed(result)
        if not is_on_gpu or not stays:
            return args[0] if func is _ATEN.copy_.default else result
        return aliased(func, args, kwargs, result)  # type: ignore[no-untyped-call] # of torch


def _check(func: Any, args: tuple[Any, ...], tensors: Sequence[Tensor]) -> None:
    """Refuse what a GPU refuses."""
    if func in _COPIES:
        return
    if func in _INDEXING and isinstance(args[0], CudaTensor):
        tensors = [args[0], *(tensor for tensor in args[2:3])]  # indices may be on the CPU
    others = {
        tensor.device
        for tensor in tensors
        if not isinstance(tensor, CudaTensor) and (tensor.ndim or tensor.device != _CPU)
    }
    if others:
        shapes = [(str(tensor.device), tuple(tensor.shape)) for tensor in tensors]
        raise MixedDevicesError(f"{func} got tensors of several devices: {shapes}")
    if func in _PRODUCTS and not args[0].is_floating_point():
        raise RuntimeError(f"{func} is not implemented for {args[0].dtype} on CUDA")


def _reads(func: Any, args: tuple[Any, ...]) -> bool:
    """Whether the program waits for the GPU, to know numbers or the shape of the result."""
    if func not in _INDEXING:
        return func in _READS
    indices = [index for index in args[1] if index is not None]
    return any(index.dtype in (torch.bool, torch.uint8) for index in indices)


def _tensors(values: Iterable[object]) -> Iterator[Tensor]:
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, list | tuple):
            yield from _tensors(value)


def _plain(value: object) -> object:
    if isinstance(value, CudaTensor):
        return value.on_cpu
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return _CPU if isinstance(value, torch.device) and value == _INSIDE else value


def _placed(value: Any) -> Any:
    if isinstance(value, Tensor):
        return on_gpu(value)
    return type(value)(map(_placed, value)) if isinstance(value, list | tuple) else value


def _place() -> str:
    """Return the innermost function of `worker` that runs, as ``pruning.methods.scores.ria``."""
    frame = sys._getframe(1)
    while (parent := frame.f_back) is not None:
        frame = parent
        file = frame.f_code.co_filename
        if file.startswith(_WORKER):
            module = file.removeprefix(_WORKER).removesuffix(".py").replace("/", ".")
            return f"{module}.{frame.f_code.co_qualname}"
    return "the test"
