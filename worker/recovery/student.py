"""The pruned model in training, whole in memory; trained parameters determine its weights."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.utils.checkpoint import checkpoint
from transformers import PretrainedConfig

from worker.pruning.distributed.ranks import SINGLE_PROCESS, Ranks
from worker.pruning.model.block_inputs import BlockInputs
from worker.pruning.model.head_loss import head_logits
from worker.pruning.model.meta_model import MetaModel
from worker.pruning.model.packed_weights import QuantizedMatrix
from worker.recovery.kinds.matrix import MatrixLayout
from worker.recovery.kinds.parametrization import Parametrization
from worker.recovery.kinds.trained_parameters import TrainedParameters, norm_names
from worker.recovery.rounding import FixedScales, packed_matrices
from worker.recovery.sharding import shard, whole

Parametrize = Callable[[Tensor, MatrixLayout, Tensor | None], Parametrization]


class TrainedBlock(nn.Module):
    """A decoder block of which some parameters are trained.

    Args:
        block: the block of a meta model; its own parameters stay on ``meta``.
        trained: which of its parameters are trained.
        stored: the block's parameters in their stored dtype.
        config: the model's config.
        parametrize: returns the `Parametrization` that computes one trained parameter.
        device: the device of the forward.
        packed: the matrices that are quantised, by parameter name; their scales stay.
        dense: the dense block's parameters, by name; empty if no kind needs them.

    Attributes:
        matrix_names: the names of the trained parameters but norms, relative to the block.
        rounds: whether weights are rounded to their stored dtype before the forward.
    """

    def __init__(
        self,
        block: nn.Module,
        trained: TrainedParameters,
        stored: Mapping[str, Tensor],
        config: PretrainedConfig,
        parametrize: Parametrize,
        device: torch.device,
        packed: Mapping[str, QuantizedMatrix],
        dense: Mapping[str, Tensor],
    ) -> None:
        super().__init__()
        self._scales = {
            name: FixedScales(matrix.scales.to(device), matrix.bits)
            for name, matrix in packed.items()
        }
        self._block = (block,)  # in a tuple, so that its parameters are not those of this module
        self._dtypes = {name: value.dtype for name, value in block.state_dict().items()}
        self.rounds = False
        self.matrix_names = list(trained.layers)
        self.norm_names = [name for name in trained.norms if name in stored]
        self._stored_dtypes = {
            name: stored[name].dtype for name in (*self.matrix_names, *self.norm_names)
        }
        self.matrices = nn.ModuleList(
            parametrize(
                stored[name].to(device),
                MatrixLayout(own, config),
                dense[name].to(device) if dense else None,
            )
            for name, own in trained.layers.items()
        )
        self.norms = nn.ParameterList(
            nn.Parameter(stored[name].to(device, torch.float32)) for name in self.norm_names
        )
        self._fixed = {
            name: value.to(device, self._dtypes[name])
            for name, value in stored.items()
            if name not in self._stored_dtypes
        }

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Run the block, with the arguments that the model's code gives it."""
        trained = {name: value.to(self._dtypes[name]) for name, value in self._trained()}
        return functional_call(self._block[0], self._fixed | trained, args, kwargs)

    @torch.no_grad()
    def merged(self) -> dict[str, Tensor]:
        """Return the trained weights by name, in their stored dtype, with -0.0 replaced by 0.0."""
        with whole(self):
            return {
                name: value.to("cpu", self._stored_dtypes[name]) + 0.0
                for name, value in self._trained()
            }

    @torch.no_grad()
    def packed(self) -> dict[str, QuantizedMatrix]:
        """Return the trained matrices that are quantised, by name."""
        with whole(self):
            named = zip(self.matrix_names, self.matrices, strict=True)
            return {
                name: self._scales[name].quantized(matrix()).to(torch.device("cpu"))
                for name, matrix in named
                if name in self._scales
            }

    def parametrizations(self) -> Iterator[Parametrization]:
        """Yield the `Parametrization` of each trained parameter of the block but norms."""
        for matrix in self.matrices:
            if isinstance(matrix, Parametrization):
                yield matrix

    def _trained(self) -> Iterator[tuple[str, Tensor]]:
        """Yield names and trained weights, in fp32, or in the stored dtype if ``rounds``.

        Quantised weights are rounded in either case.
        """
        for name, matrix in zip(self.matrix_names, self.matrices, strict=True):
            scales, weights = self._scales.get(name), matrix()
            weights = weights if scales is None else scales.rounded(weights)
            yield name, self._rounded(name, weights)
        for name, norm in zip(self.norm_names, self.norms, strict=True):
            yield name, self._rounded(name, norm)

    def _rounded(self, name: str, value: Tensor) -> Tensor:
        return value.to(self._stored_dtypes[name]) if self.rounds else value


class Student(nn.Module):
    """A pruned model in training.

    The embeddings and the head are fixed; they have to be loaded in the meta model while the
    student is used.

    Args:
        meta_model: the pruned model.
        block_inputs: calls the model's blocks.
        parametrize: returns the `Parametrization` that computes one trained parameter.
        recomputes: whether the backward runs each block's forward again rather than keeping its
            activations.
        is_quantized: whether the matrices that are stored packed are trained as such.
        only_routers: whether the routers of experts are trained, in place of matrices and norms.
        dense: the dense model, for a kind that starts from its weights; its weights are read once.
        ranks: the processes among which the blocks' parameters are divided.

    Attributes:
        blocks: the blocks, each a `TrainedBlock`.
    """

    def __init__(
        self,
        meta_model: MetaModel,
        block_inputs: BlockInputs,
        parametrize: Parametrize,
        *,
        recomputes: bool,
        is_quantized: bool = False,
        only_routers: bool = False,
        dense: MetaModel | None = None,
        ranks: Ranks = SINGLE_PROCESS,
    ) -> None:
        super().__init__()
        self._meta_model, self._block_inputs = meta_model, block_inputs
        self._recomputes = recomputes
        config = meta_model.config
        build = partial(
            TrainedBlock,
            config=config,
            parametrize=parametrize,
            device=meta_model.device,
        )
        self.blocks = nn.ModuleList()
        for index, block in enumerate(meta_model.blocks):
            packed = packed_matrices(meta_model, index) if is_quantized else {}
            trained = build(
                block,
                TrainedParameters.of(block, only_routers=only_routers),
                meta_model.read_block(index),
                packed=packed,
                dense=dense.read_block(index) if dense else {},
            )
            shard(trained, ranks, meta_model.device)
            self.blocks.append(trained)
        self.norm_names = [] if only_routers else _head_norms(meta_model, block_inputs)
        self._stored_norms = meta_model.weights.load(set(self.norm_names).__contains__)
        self.norms = nn.ParameterList(
            nn.Parameter(self._stored_norms[name].to(meta_model.device, torch.float32))
            for name in self.norm_names
        )

    def forward(self, ids: Tensor) -> Tensor:
        """Return the hidden states ``[windows, tokens, hidden]`` after the last block.

        The final norm is not applied.

        Args:
            ids: ``[windows, tokens]`` token ids.
        """
        embedded: list[Tensor] = []
        with torch.no_grad():
            self._block_inputs.embed([ids], embedded.append)
        (hidden,) = embedded
        for index, block in enumerate(self.blocks):
            run = partial(self._block_inputs.call, block, index)
            if self._recomputes and torch.is_grad_enabled():
                hidden = checkpoint(run, hidden, use_reentrant=False, preserve_rng_state=False)
            else:
                hidden = run(hidden)
        return hidden

    def head_norms(self) -> dict[str, Tensor]:
        """Return the trained parameters outside the blocks, in the dtype of the forward."""
        rounds = any(block.rounds for block in self.trained_blocks())
        norms = {}
        for name, norm in zip(self.norm_names, self.norms, strict=True):
            value = norm.to(self._stored_norms[name].dtype) if rounds else norm
            norms[name] = value.to(self._meta_model.dtype)
        return norms

    @torch.no_grad()
    def merged_norms(self) -> dict[str, Tensor]:
        """Return the trained parameters outside the blocks, in their stored dtype."""
        return {
            name: norm.to("cpu", self._stored_norms[name].dtype)
            for name, norm in zip(self.norm_names, self.norms, strict=True)
        }

    def trained_blocks(self) -> Iterator[TrainedBlock]:
        """Yield the blocks."""
        for block in self.blocks:
            if isinstance(block, TrainedBlock):
                yield block

    def parametrizations(self) -> Iterator[Parametrization]:
        """Yield the `Parametrization` of each trained parameter of all blocks but norms."""
        for block in self.trained_blocks():
            yield from block.parametrizations()

    @contextmanager
    def rounded(self) -> Iterator[None]:
        """In the body of the ``with`` statement, run with weights rounded to their stored dtype."""
        for block in self.trained_blocks():
            block.rounds = True
        try:
            yield
        finally:
            for block in self.trained_blocks():
                block.rounds = False


def _head_norms(meta_model: MetaModel, block_inputs: BlockInputs) -> list[str]:
    """Return the names of norm parameters that are outside the blocks and affect the logits."""
    names = [
        name
        for name in norm_names(meta_model.model)
        if not name.startswith(f"{meta_model.prefix}.")
    ]
    width = meta_model.config.hidden_size
    loaded = dict(meta_model.model.named_parameters())
    norms = {name: loaded[name].detach().requires_grad_() for name in names}
    states = torch.ones(1, width, dtype=meta_model.dtype, device=meta_model.device)
    with torch.enable_grad():
        logits = head_logits(meta_model, block_inputs, states, norms).sum()
    if not logits.requires_grad:
        return []
    gradients = torch.autograd.grad(logits, list(norms.values()), allow_unused=True)
    return [name for name, gradient in zip(names, gradients, strict=True) if gradient is not None]
