"""Rotating a model, block by block, into a folder that is then pruned in place of the model."""

import json
from collections.abc import Collection, Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from worker.pruning.base.durable_files import move_into_place
from worker.pruning.base.errors import RotationError
from worker.pruning.calibration.layer_hooks import hooked
from worker.pruning.model.block_inputs import BlockInputs
from worker.pruning.model.linear_layers import linear_layers
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.model.shards import ShardWriter, copy_groups
from worker.pruning.quantization.scheme import Scheme
from worker.pruning.rotation.errors import (
    NO_ERRORS,
    OF_RESIDUAL,
    OF_VALUES,
    Choice,
    rounding_errors,
)
from worker.pruning.rotation.hadamard import Rotation
from worker.pruning.rotation.rotate import folded_head, rotated_block, rotated_embeddings
from worker.pruning.rotation.structure import OUTPUTS, READERS, rotatable
from worker.pruning.structure.smaller_config import write_config

TOKENS = 128
"""Calibration tokens that the inputs of layers are measured on."""
_RECORD = "rotation.json"
_LARGEST_CHANGE = 0.05  # of what a block adds to the hidden state; rounding weights causes some


@dataclass(frozen=True)
class Choices:
    """Which rotations a model got: of the residual stream, and of the values in each block."""

    residual: Choice
    values: tuple[Choice, ...]

    def as_json(self) -> dict[str, Any]:
        """Return the choices, ready for JSON."""
        return {
            "residual": self.residual.as_json(),
            "values": [choice.as_json() for choice in self.values],
        }


class ModelRotator:
    """Rotates a model.

    Args:
        meta_model: the model, to compute in fp32.
        scheme: how the result will be quantised.
        quantized: names of the layers that will be, each with the name of its block.
        seed: decides the signs of the rotations.

    Raises:
        RotationError: the model is built in another way than Llama.
    """

    def __init__(
        self, meta_model: MetaModel, scheme: Scheme, quantized: Collection[str], seed: int
    ) -> None:
        self._meta_model, self._scheme, self._names = meta_model, scheme, quantized
        self._parts, self._inputs = rotatable(meta_model), BlockInputs(meta_model)
        generator = torch.Generator().manual_seed(seed)
        self._residual = Rotation.draw(meta_model.config.hidden_size, generator)
        width, blocks = self._parts.head_width, len(meta_model.blocks)
        self._values = [Rotation.draw(width, generator) for _ in range(blocks)]

    @torch.no_grad()
    def write(
        self, source: Path, out: Path, ids: Tensor, basis: Mapping[str, Any]
    ) -> Generator[int, None, dict[str, Any]]:
        """Write the rotated model, unless an earlier call has written the same one.

        Args:
            source: the folder of the model.
            out: an existing folder for the config and the shards.
            ids: token ids ``[windows, tokens]`` of the calibration windows.
            basis: everything that the result depends on, ready for JSON.

        Yields:
            The index of a block, where the work may stop.

        Returns:
            The choices, as JSON.

        Raises:
            RotationError: the model is built in a way that cannot be rotated.
        """
        basis = json.loads(json.dumps(basis))
        if (known := _recorded(out, basis)) is not None:
            return known
        states = self._embedded(ids[: max(1, TOKENS // ids.shape[1]), :TOKENS])
        residual = yield from self._residual_choice(states)
        rotation = self._residual if residual.is_rotated else None
        fields = {"tie_word_embeddings": False} if rotation and self._parts.is_tied else {}
        write_config(source, out, self._meta_model.model.config, fields)
        values = yield from self._write_shards(out, states, rotation)
        choices = Choices(residual, values).as_json()
        written = out / f"{_RECORD}.new"
        written.write_text(json.dumps({"basis": basis, "choices": choices}))
        move_into_place(written, out / _RECORD)
        return choices

    def _embedded(self, ids: Tensor) -> Tensor:
        states: list[Tensor] = []
        with self._meta_model.loaded_embeddings():
            self._inputs.detect_output_format()
            self._inputs.embed([ids], states.append)
        return states[0]

    def _residual_choice(self, states: Tensor) -> Generator[int, None, Choice]:
        """Measure the errors of all blocks with and without the rotation of the residual stream."""
        without, rotated = NO_ERRORS, NO_ERRORS
        for index in range(len(self._meta_model.blocks)):
            stored = self._meta_model.read_block(index)
            folded = rotated_block(stored, self._parts)
            turned = rotated_block(stored, self._parts, self._residual)
            layers = self._quantized(index, OF_RESIDUAL)
            firsts = [names[0] for names in READERS.values() if set(names) & set(layers)]
            states, inputs = self._run(index, folded, states, firsts)
            without += rounding_errors(folded, layers, inputs, self._scheme)
            inputs = {name: self._residual.of_rows(value) for name, value in inputs.items()}
            rotated += rounding_errors(turned, layers, inputs, self._scheme)
            yield index
        return Choice(without, rotated)

    def _write_shards(
        self, out: Path, states: Tensor, residual: Rotation | None
    ) -> Generator[int, None, tuple[Choice, ...]]:
        model = self._meta_model
        blocks, choices = range(len(model.blocks)), list[Choice]()
        inside = [f"{model.block_name(index)}." for index in blocks]
        rest = copy_groups(model.checkpoint, model.weights.sources_outside(inside))
        unties = residual is not None and self._parts.is_tied
        shards = ShardWriter(out, len(blocks) + len(rest) + unties)
        for index in blocks:
            stored = model.read_block(index)
            layers = self._quantized(index, OF_VALUES)
            before = rotated_block(stored, self._parts, residual)
            after = rotated_block(stored, self._parts, residual, self._values[index])
            outputs, inputs = self._run(index, stored, states, {OUTPUTS} & set(layers))
            turned = {name: self._values[index].of_rows(rows) for name, rows in inputs.items()}
            measured = ((before, inputs), (after, turned))
            errors = [
                rounding_errors(parameters, layers, x, self._scheme) for parameters, x in measured
            ]
            choices.append(Choice(*errors))
            chosen = after if choices[-1].is_rotated else before
            self._check_same(index, chosen, (states, outputs), residual)
            shards.write(index + 1, model.stored_block(index, chosen), out)
            states = outputs
            yield index
        for number, names in enumerate(rest, len(blocks) + 1):
            shards.write(number, self._outside(names, residual), out)
        if residual is not None and unties:
            shards.write(len(blocks) + len(rest) + 1, {self._parts.head: self._head(residual)}, out)
        shards.finish()
        return tuple(choices)

    def _quantized(self, index: int, names: Collection[str]) -> list[str]:
        """Return those of some layers of a block that will be quantised."""
        block = self._meta_model.block_name(index)
        return [name for name in names if f"{block}.{name}" in self._names]

    def _run(
        self, index: int, parameters: Mapping[str, Tensor], states: Tensor, names: Collection[str]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Run a block; return its outputs, and the inputs ``[tokens, in]`` of some layers."""
        layer_inputs: dict[str, Tensor] = {}
        with self._meta_model.loaded_block(index, dict(parameters)) as block:
            layers = [layer for layer in linear_layers(block) if layer.name in names]

            def keep(place: int, inputs: Tensor) -> None:
                layer_inputs[layers[place].name] = inputs.flatten(0, -2)

            with hooked(layers, keep):
                outputs = self._inputs.call(block, index, states)
        return outputs, layer_inputs

    def _check_same(
        self,
        index: int,
        parameters: Mapping[str, Tensor],
        states: tuple[Tensor, Tensor],
        residual: Rotation | None,
    ) -> None:
        """Check that a rotated block adds to the hidden state what the dense one does, rotated.

        Raises:
            RotationError: it does not.
        """
        before, after = (state if residual is None else residual.of_rows(state) for state in states)
        outputs, _ = self._run(index, parameters, before, ())
        expected = after - before
        if float((outputs - after).norm()) > _LARGEST_CHANGE * float(expected.norm()):
            raise RotationError(
                f"{self._meta_model.block_name(index)} computes something else when it is rotated",
                "leave rotate out",
            )

    def _outside(self, names: list[str], residual: Rotation | None) -> dict[str, Tensor]:
        """Return stored tensors outside the blocks, rotated where they have to be."""
        read, stored_name = self._meta_model.checkpoint.read, self._meta_model.weights.stored_name
        tensors = {name: read(name) for name in names}
        if residual is None:
            return tensors
        parts = self._parts
        for name, weight in tensors.items():
            if name == stored_name(parts.embeddings):
                tensors[name] = rotated_embeddings(weight, residual)
            elif name == stored_name(parts.norm):
                tensors[name] = torch.full_like(weight, 1 - parts.offset)
            elif name == stored_name(parts.head):
                tensors[name] = self._head(residual)
        return tensors

    def _head(self, residual: Rotation) -> Tensor:
        """Return the head's weight, which may be that of the embeddings, rotated."""
        name = self._parts.embeddings if self._parts.is_tied else self._parts.head
        weight, norm = (self._read(parameter) for parameter in (name, self._parts.norm))
        return folded_head(weight, norm.float() + self._parts.offset, residual)

    def _read(self, parameter: str) -> Tensor:
        [value] = self._meta_model.weights.load(parameter.__eq__).values()
        return value


def _recorded(out: Path, basis: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the choices of an earlier call; None if it has not ended, or had another basis."""
    path = out / _RECORD
    if not path.is_file():
        return None
    record = json.loads(path.read_text())
    choices: dict[str, Any] = record["choices"]
    return choices if record["basis"] == basis else None
