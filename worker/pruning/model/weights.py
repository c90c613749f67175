"""Mapping stored tensors to parameters by transformers' loading rules."""

from collections.abc import Callable, Iterable
from copy import deepcopy

import torch
from torch import Tensor
from transformers import PreTrainedModel
from transformers.conversion_mapping import get_model_conversion_mapping
from transformers.core_model_loading import (
    PrefixChange,
    Transpose,
    WeightConverter,
    WeightRenaming,
    rename_source_key,
    revert_weight_conversion,
)

from worker.pruning.base.errors import CheckpointError
from worker.pruning.model.checkpoint import Checkpoint


class Weights:
    """A checkpoint, accessed by the names of a model's parameters.

    Most parameters are stored as one tensor, under the same or another name. Some, such as the
    fused experts of a mixture of experts, are joined from many tensors. transformers' converters
    join these tensors, and split the parameters again for writing, so that the output has the
    source's layout.
    """

    def __init__(
        self, model: PreTrainedModel, checkpoint: Checkpoint, *, is_whole: bool = True
    ) -> None:
        self._model = model
        self._checkpoint = checkpoint
        self._plain: dict[str, str] = {}  # parameter -> stored tensor
        self._joined: dict[str, tuple[WeightConverter, list[tuple[str, str]]]] = {}
        # Stored tensors that are joined, by their names without a prefix that loading removes:
        # transformers does not restore the prefix.
        self._prefixed: dict[str, str] = {}
        self._resolve(get_model_conversion_mapping(model))
        self._tie()
        if is_whole:
            self._check_complete()
        self._check_shapes()

    @classmethod
    def of_part(cls, model: PreTrainedModel, checkpoint: Checkpoint) -> "Weights":
        """Return the weights of a checkpoint that need not have all parameters of the model."""
        return cls(model, checkpoint, is_whole=False)

    def sources(self, prefix: str) -> list[str]:
        """Return the names of stored tensors that parameters under ``prefix`` are read from."""
        plain, joined = self.sources_of(lambda name: name.startswith(prefix))
        return plain + joined

    def sources_of(self, wanted: Callable[[str], bool]) -> tuple[list[str], list[str]]:
        """Return the names of the stored tensors that the wanted parameters are read from.

        Returns:
            Names of tensors that are loaded unchanged, and of tensors that are joined with others.
        """
        plain = [source for name, source in self._plain.items() if wanted(name)]
        joined = [
            source
            for name, (_, parts) in self._joined.items()
            if wanted(name)
            for source, _ in parts
        ]
        return plain, joined

    def stored_matrices(self, name: str) -> list[tuple[str, bool]]:
        """Return the names of the stored tensors that a parameter is read from.

        Each has whether its last two dimensions are exchanged when it is read. The list is empty if
        the parameter is split from tensors that are listed for another one.
        """
        if name in self._plain:
            return [(self._plain[name], False)]
        if name not in self._joined:
            return []
        converter, parts = self._joined[name]
        is_exchanged = any(isinstance(operation, Transpose) for operation in converter.operations)
        return [(source, is_exchanged) for source, _ in parts]

    def sources_outside(self, prefixes: Iterable[str]) -> list[str]:
        """Return the names of stored tensors that no parameter under ``prefixes`` is read from."""
        inside = {source for prefix in prefixes for source in self.sources(prefix)}
        return [name for name in self._checkpoint.tensors if name not in inside]

    def unused(self) -> list[str]:
        """Return the names of stored tensors that no parameter is read from."""
        plain, joined = self.sources_of(lambda _: True)
        used = {*plain, *joined}
        return [name for name in self._checkpoint.tensors if name not in used]

    def stored_name(self, parameter: str) -> str | None:
        """Return the name of the tensor that is loaded unchanged as this parameter.

        Return None if the parameter is joined from several tensors.
        """
        return self._plain.get(parameter)

    def load(
        self, wanted: Callable[[str], bool], known: dict[str, Tensor] | None = None
    ) -> dict[str, Tensor]:
        """Read the wanted parameters, in their stored dtype.

        Args:
            wanted: returns whether a parameter is wanted.
            known: stored tensors that are in memory already; those that are used are removed.
        """
        in_memory = {} if known is None else known

        def read(source: str) -> Tensor:
            return in_memory.pop(source) if source in in_memory else self._checkpoint.read(source)

        tensors = {name: read(source) for name, source in self._plain.items() if wanted(name)}
        for name, (converter, parts) in self._joined.items():
            if wanted(name):
                tensors |= self._join(name, converter, parts, read)
        return tensors

    def to_stored(self, parameters: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the parameters under the checkpoint's names and in its layout."""
        plain = {
            self._plain[name]: value for name, value in parameters.items() if name in self._plain
        }
        joined = {name: value for name, value in parameters.items() if name not in self._plain}
        if joined:
            stored = revert_weight_conversion(self._model, joined)
            plain |= {self._prefixed.get(name, name): value for name, value in stored.items()}
        return plain

    def _resolve(self, mapping: list[WeightRenaming | WeightConverter]) -> None:
        """Map stored tensors to parameters, as ``from_pretrained`` does.

        Tensors that belong to no parameter are skipped.
        """
        renamings = [entry for entry in mapping if isinstance(entry, WeightRenaming)]
        converters = [entry for entry in mapping if isinstance(entry, WeightConverter)]
        by_pattern = {pattern: c for c in converters for pattern in c.source_patterns}
        prefixes = [entry for entry in renamings if isinstance(entry, PrefixChange)]
        parameters, prefix = self._model.state_dict(), self._model.base_model_prefix
        for source in sorted(self._checkpoint.tensors, key=_natural):
            name, pattern = rename_source_key(source, renamings, converters, prefix, parameters)
            if name not in parameters and source in parameters:
                name, pattern = source, None
            if name not in parameters:
                continue
            if pattern is None:
                self._plain[name] = source
            else:
                self._joined.setdefault(name, (by_pattern[pattern], []))[1].append(
                    (source, pattern)
                )
                if prefixes:
                    self._prefixed[rename_source_key(source, prefixes, [])[0]] = source

    def _tie(self) -> None:
        """Resolve tied parameters as transformers does.

        transformers copies one of two tied parameters, the origin, to the other. If only one of
        the two is stored, it is loaded as the origin. If both are stored, they are untied, because
        their values may differ.
        """
        tied = self._model.all_tied_weights_keys
        for name, origin in list(tied.items()):
            if name in self._plain and origin in self._plain:
                del tied[name]
            elif name in self._plain:
                self._plain[origin] = self._plain.pop(name)

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
        joined = converter.convert(name, model=self._model, config=self._model.config)
        return {
            key: value[0] if isinstance(value, list) else value for key, value in joined.items()
        }

    def _check_complete(self) -> None:
        """Check that every parameter is stored, or tied to a stored one.

        Raises:
            CheckpointError: a parameter is missing.
        """
        tied = self._model.all_tied_weights_keys
        stored = set(self._plain) | set(self._joined)
        loaded = stored | {name for pair in tied.items() if stored & set(pair) for name in pair}
        joined_targets = tuple(name.rpartition(".")[0] for name in self._joined)
        missing = [
            name
            for name, _ in self._model.named_parameters()
            if name not in loaded and name.rpartition(".")[0] not in joined_targets
        ]
        if missing:
            raise CheckpointError(
                f"the checkpoint lacks {len(missing)} tensors of this architecture, such as "
                f"{missing[0]!r}",
                "provide a complete checkpoint",
            )

    def _check_shapes(self) -> None:
        """Check that stored tensors have the shapes of their parameters, after any joining.

        Raises:
            CheckpointError: a shape differs, or the tensors of a parameter cannot be joined.
        """
        parameters, stored = self._model.state_dict(), self._checkpoint.tensors
        shapes = [(source, name, stored[source].shape) for name, source in self._plain.items()]
        for name, (converter, parts) in self._joined.items():
            source = parts[0][0]
            try:
                made = self._join(name, converter, parts, self._empty)
            except RuntimeError as error:
                raise CheckpointError(
                    f"tensor {source!r} cannot be joined with the tensors of the same parameter "
                    f"({error})",
                    "provide the checkpoint's original config",
                ) from error
            shapes += [
                (source, key, value.shape) for key, value in made.items() if key in parameters
            ]
        for source, name, shape in shapes:
            if shape != parameters[name].shape:
                raise CheckpointError(
                    f"tensor {source!r} has shape {list(shape)}, but by the config {name!r} has "
                    f"shape {list(parameters[name].shape)}",
                    "provide the original config",
                )

    def _empty(self, source: str) -> Tensor:
        """Return a tensor on ``meta`` with a stored tensor's shape and dtype."""
        stored = self._checkpoint.tensors[source]
        return torch.empty(stored.shape, dtype=stored.dtype, device="meta")


def _natural(key: str) -> list[tuple[int, int | str]]:
    """Return a sort key that puts ``experts.10`` after ``experts.9``, to join experts in order."""
    return [(0, int(part)) if part.isdigit() else (1, part) for part in key.split(".")]
