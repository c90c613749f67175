"""Which stored tensors make up which parameters, by transformers' own loading rules."""

from collections.abc import Callable, Iterable
from copy import deepcopy

import torch
from torch import Tensor
from transformers import PreTrainedModel
from transformers.conversion_mapping import get_model_conversion_mapping
from transformers.core_model_loading import (
    WeightConverter,
    WeightRenaming,
    rename_source_key,
    revert_weight_conversion,
)

from worker.pruning.base.errors import CheckpointError
from worker.pruning.model.checkpoint import Checkpoint


class Weights:
    """A checkpoint seen through the names of a model's parameters.

    Most parameters are one stored tensor under the same or a renamed key. Some are made of many,
    such as the fused experts of a mixture of experts; transformers' converters join them, and
    take them apart again for writing, so that the output has the source's layout.
    """

    def __init__(self, model: PreTrainedModel, checkpoint: Checkpoint) -> None:
        self._model = model
        self._checkpoint = checkpoint
        self._plain: dict[str, str] = {}  # parameter -> stored tensor
        self._joined: dict[str, tuple[WeightConverter, list[tuple[str, str]]]] = {}
        self._resolve(get_model_conversion_mapping(model))
        self._tie()
        self._refuse_missing()
        self._refuse_other_shapes()

    def sources(self, prefix: str) -> list[str]:
        """Return the stored tensors behind all parameters below ``prefix``."""
        plain, joined = self.sources_of(lambda name: name.startswith(prefix))
        return plain + joined

    def sources_of(self, wanted: Callable[[str], bool]) -> tuple[list[str], list[str]]:
        """Return the stored tensors behind the wanted parameters: plain ones, and parts of some."""
        plain = [source for name, source in self._plain.items() if wanted(name)]
        joined = [
            source
            for name, (_, parts) in self._joined.items()
            if wanted(name)
            for source, _ in parts
        ]
        return plain, joined

    def sources_outside(self, prefixes: Iterable[str]) -> list[str]:
        """Return the stored tensors that belong below none of the prefixes."""
        inside = {source for prefix in prefixes for source in self.sources(prefix)}
        return [name for name in self._checkpoint.tensors if name not in inside]

    def load(self, wanted: Callable[[str], bool]) -> dict[str, Tensor]:
        """Return the parameters whose names are wanted, in their stored dtype."""
        found = {
            name: self._checkpoint.read(source)
            for name, source in self._plain.items()
            if wanted(name)
        }
        for name, (converter, parts) in self._joined.items():
            if wanted(name):
                found |= self._join(name, converter, parts, self._checkpoint.read)
        return found

    def to_stored(self, parameters: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the parameters under the names and in the layout they were stored in."""
        plain = {
            self._plain[name]: value for name, value in parameters.items() if name in self._plain
        }
        joined = {name: value for name, value in parameters.items() if name not in self._plain}
        if joined:
            plain |= revert_weight_conversion(self._model, joined)
        return plain

    def _resolve(self, mapping: list[WeightRenaming | WeightConverter]) -> None:
        """Sort every stored tensor to its parameter, as ``from_pretrained`` would."""
        renamings = [entry for entry in mapping if isinstance(entry, WeightRenaming)]
        converters = [entry for entry in mapping if isinstance(entry, WeightConverter)]
        by_pattern = {pattern: c for c in converters for pattern in c.source_patterns}
        known, prefix = self._model.state_dict(), self._model.base_model_prefix
        for source in sorted(self._checkpoint.tensors, key=_natural):
            name, pattern = rename_source_key(source, renamings, converters, prefix, known)
            if name not in known and source in known:
                name, pattern = source, None
            if name not in known:
                continue
            if pattern is None:
                self._plain[name] = source
            else:
                self._joined.setdefault(name, (by_pattern[pattern], []))[1].append(
                    (source, pattern)
                )

    def _tie(self) -> None:
        """Give what is stored once its twin's name, and untie what is stored twice.

        The twin is what transformers copies from. Two that are stored may differ, whatever the
        config says of them; then transformers does not tie them either.
        """
        tied = self._model.all_tied_weights_keys
        for name, twin in list(tied.items()):
            if name in self._plain and twin in self._plain:
                del tied[name]
            elif name in self._plain:
                self._plain[twin] = self._plain.pop(name)

    def _join(
        self,
        name: str,
        converter: WeightConverter,
        parts: list[tuple[str, str]],
        read: Callable[[str], Tensor],
    ) -> dict[str, Tensor]:
        converter = deepcopy(converter)
        for source, pattern in parts:
            converter.add_tensor(name, source, pattern, read(source))
        made = converter.convert(name, model=self._model, config=self._model.config)
        return {key: value[0] if isinstance(value, list) else value for key, value in made.items()}

    def _refuse_missing(self) -> None:
        """Refuse a checkpoint that lacks parameters; a tied one may be stored under its twin."""
        tied = self._model.all_tied_weights_keys
        made = set(self._plain) | set(self._joined)
        twins = made | {twin for pair in tied.items() if made & set(pair) for twin in pair}
        joined_targets = tuple(name.rpartition(".")[0] for name in self._joined)
        missing = [
            name
            for name, _ in self._model.named_parameters()
            if name not in twins and name.rpartition(".")[0] not in joined_targets
        ]
        if missing:
            raise CheckpointError(
                f"the checkpoint lacks {len(missing)} tensors of this architecture, "
                f"{missing[0]!r} first; give a complete checkpoint"
            )

    def _refuse_other_shapes(self) -> None:
        """Refuse tensors that do not have the shapes of the parameters they are for."""
        known, stored = self._model.state_dict(), self._checkpoint.tensors
        found = [(source, name, stored[source].shape) for name, source in self._plain.items()]
        for name, (converter, parts) in self._joined.items():
            source = parts[0][0]
            try:
                made = self._join(name, converter, parts, self._outline)
            except RuntimeError as error:
                raise CheckpointError(
                    f"tensor {source!r} and those joined with it do not fit each other ({error}); "
                    "give the config that the checkpoint came with"
                ) from error
            found += [(source, key, value.shape) for key, value in made.items() if key in known]
        for source, name, shape in found:
            if shape != known[name].shape:
                raise CheckpointError(
                    f"tensor {source!r} comes as {list(shape)}, and by the config {name!r} is "
                    f"{list(known[name].shape)}; give the config that the checkpoint came with"
                )

    def _outline(self, source: str) -> Tensor:
        """Return a stored tensor's shape and dtype without its numbers."""
        stored = self._checkpoint.tensors[source]
        return torch.empty(stored.shape, dtype=stored.dtype, device="meta")


def _natural(key: str) -> list[tuple[int, int | str]]:
    """Order ``layers.10`` after ``layers.9``; experts are joined in this order."""
    return [(0, int(part)) if part.isdigit() else (1, part) for part in key.split(".")]
