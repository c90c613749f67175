"""The dense model's predictions of the training text, computed once and kept in files."""

from collections.abc import Generator, Iterable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor

from worker.pruning.base.durable_files import move_into_place, save_tensors
from worker.pruning.base.known_tensors import MOST_BYTES, SUFFIX, open_tensors, write_tensors
from worker.pruning.model.checkpoint import Checkpoint
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.sweep.fingerprint import ids_digest, json_digest
from worker.recovery.forward_stream import forward_batches, last_states, open_block_inputs
from worker.recovery.head import Head
from worker.recovery.losses import Targets
from worker.recovery.planning.sizes import CHUNK_TOKENS, TARGET_BYTES, TOP

_FOLDER = "predictions"


class Teacher:
    """The dense model's predictions for some windows, in one file per chunk of windows.

    Args:
        folder: an existing folder for the files.
        windows: ``[windows, tokens]`` token ids.
        temperature: the softmax temperature of the predictions.
        device: the device of the dense model's forward passes.
        known: the folder of what is known of dense models, in which the predictions are stored for
            later jobs, unless they are too large for it; None to store none.
        basis: everything that they depend on but the windows and the temperature, ready for JSON.
    """

    def __init__(
        self,
        folder: Path,
        windows: Tensor,
        temperature: float,
        device: torch.device,
        known: Path | None = None,
        basis: Mapping[str, Any] | None = None,
    ) -> None:
        self._folder, self._windows, self._temperature = folder, windows, temperature
        self._device, self._basis = device, {**(basis or {}), "temperature": temperature}
        is_stored = known is not None and windows.numel() * TARGET_BYTES * TOP <= MOST_BYTES
        self._known = known / _FOLDER if known is not None and is_stored else None
        self._size = max(1, CHUNK_TOKENS[device.type] // windows.shape[1])  # windows of a chunk

    @property
    def chunks(self) -> int:
        """Number of chunks."""
        return -(-len(self._windows) // self._size)

    def tokens(self, chunks: Iterable[int]) -> int:
        """Return the number of tokens of some chunks."""
        return sum(self._chunk(chunk).numel() for chunk in chunks)

    def file(self, chunk: int) -> Path:
        """Return the path of a chunk's file."""
        return self._folder / f"teacher-{chunk:05d}.safetensors"

    def restore(self, chunk: int) -> bool:
        """Write the file of a chunk from what an earlier job has stored; False if it has not."""
        path = self._known_file(chunk)
        known = None if path is None else open_tensors(path)
        if known is not None:
            self._write(chunk, {name: known[name] for name in known.names})
        return known is not None

    def compute(self, dense: MetaModel, chunk: int) -> Generator[int, None, None]:
        """Compute the predictions of a chunk and write its file.

        The logarithms of the probabilities are stored in fp16, and normalized again when they are
        read.

        Args:
            dense: the dense model.
            chunk: index of the chunk.

        Yields:
            The index of each block that has been run.
        """
        block_inputs = open_block_inputs(dense)
        batches = forward_batches(self._chunk(chunk), dense.device)
        with TemporaryDirectory(prefix="activations-", dir=self._folder) as spill:
            states = yield from last_states(dense, block_inputs, batches, Path(spill))
            with dense.loaded_head():
                head = Head(dense, block_inputs)
                stored = [_stored(head.targets(each, self._temperature), each) for each in states]
        tensors = {name: torch.cat([batch[name] for batch in stored]) for name in stored[0]}
        self._write(chunk, tensors)
        if (known := self._known_file(chunk)) is not None:
            write_tensors(known, tensors)

    def targets(self, windows: Sequence[int]) -> Targets:
        """Return the predictions for some windows, in the given order.

        Args:
            windows: indices of windows whose chunks have been computed.
        """
        read = [self._read(index) for index in windows]
        indices = torch.cat([window["indices"] for window in read]).to(self._device, torch.int64)
        log_shares = torch.cat([window["log_shares"] for window in read]).to(self._device)
        return Targets(indices, log_shares.float().log_softmax(1))

    def _write(self, chunk: int, tensors: dict[str, Tensor]) -> None:
        written = self.file(chunk).with_suffix(".new")
        save_tensors(tensors, written)
        move_into_place(written, self.file(chunk))

    def _known_file(self, chunk: int) -> Path | None:
        """Return the file of a chunk for all jobs, named after everything it depends on."""
        if self._known is None:
            return None
        windows = ids_digest(self._chunk(chunk))
        return self._known / f"{json_digest(self._basis | {'windows': windows})}{SUFFIX}"

    def _chunk(self, chunk: int) -> Tensor:
        return self._windows[chunk * self._size : (chunk + 1) * self._size]

    def _read(self, window: int) -> dict[str, Tensor]:
        chunk, row = divmod(window, self._size)
        file = Checkpoint.from_files([self.file(chunk)])
        return {name: file.read_row(name, row) for name in file.tensors}


def _stored(targets: Targets, states: Tensor) -> dict[str, Tensor]:
    """Return the tensors in which the targets of a batch are stored, with one row for each window.

    Args:
        targets: the targets of all tokens of the batch.
        states: ``[windows, tokens, hidden]``, the batch's last hidden states.
    """
    kept = targets.indices.shape[1]
    return {
        "indices": targets.indices.to("cpu", torch.int32).view(len(states), -1, kept),
        "log_shares": targets.log_shares.to("cpu", torch.float16).view(len(states), -1, kept + 1),
    }
