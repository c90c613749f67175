"""A model without weights, whose blocks are loaded one at a time."""

import json
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from importlib.metadata import version
from pathlib import Path
from textwrap import shorten

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForCausalLM, PretrainedConfig, PreTrainedModel
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

from worker.pruning.base.errors import UnsupportedModelError
from worker.pruning.model.attention import slices_are_faster, use_sliced_attention
from worker.pruning.model.block_scales import BlockScales
from worker.pruning.model.blocks import find_blocks
from worker.pruning.model.checkpoint import Checkpoint
from worker.pruning.model.packed_weights import QuantizedMatrix
from worker.pruning.model.weights import Weights

_REMEDY = "give a model that generates text, such as Llama, Qwen, Gemma or GPT-2"

MAX_COMPUTED_BYTES = 4 << 30


class MetaModel:
    """A decoder on the ``meta`` device, and the checkpoint of its weights.

    Attributes:
        model: the model; its parameters are on ``meta``, except those that are currently loaded.
        checkpoint: the stored tensors.
        dtype: the dtype of the forward passes.
        device: the device of the forward passes.
        weights: the checkpoint, accessed by the model's parameter names.
        prefix: the name of the list of decoder blocks, such as ``model.layers``.
        blocks: the decoder blocks.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        checkpoint: Checkpoint,
        dtype: torch.dtype,
        device: torch.device,
        weights: Weights | None = None,
    ) -> None:
        self.model, self.checkpoint = model, checkpoint
        self.dtype, self.device = dtype, device
        self.weights = Weights(model, checkpoint) if weights is None else weights
        self.prefix, self.blocks = find_blocks(model)

    @classmethod
    def open(
        cls,
        folder: Path,
        dtype: torch.dtype,
        device: torch.device,
        weights: Path | None = None,
    ) -> "MetaModel":
        """Build the model that the config describes, to compute in ``dtype``.

        Args:
            folder: the folder of the config.
            dtype: the dtype of the forward passes.
            device: the device of the forward passes.
            weights: the folder of the weights, which may be quantised by a sweep; by default
                ``folder``.

        Raises:
            OSError: transformers cannot read the config.
            UnsupportedModelError: transformers cannot build a decoder from this config, the decoder
                has no list of blocks with linear layers, or the decoder's computed buffers would
                take more than 4 GiB.
            CheckpointError: the weights are damaged or incomplete, or do not fit the config.
        """
        try:
            config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
            check_is_decoder(config)
            model = build_model(config, dtype)
        except (OSError, UnsupportedModelError):
            raise
        except Exception as error:  # a family's code may raise anything for an invalid config
            raise _invalid_config(folder, error) from error
        check_is_causal(model)
        _prepare(model, device)
        checkpoint = Checkpoint.open(weights).dequantized() if weights else Checkpoint.open(folder)
        return cls(model, checkpoint.scaled(BlockScales.of(model.config, dtype)), dtype, device)

    def with_weights(self, folder: Path) -> "MetaModel":
        """Return a model with the same modules, and the weights that a sweep has written.

        The modules must not have the weights of both at the same time.
        """
        checkpoint = self.read_as_weights(Checkpoint.open(folder))
        return MetaModel(self.model, checkpoint, self.dtype, self.device)

    def read_as_weights(self, written: Checkpoint) -> Checkpoint:
        """Return tensors that were written for this model, with quantised ones as weights."""
        return written.dequantized().scaled(BlockScales.of(self.model.config, self.dtype))

    def described(self, config: PretrainedConfig) -> "MetaModel":
        """Return the model that another config describes, of which no weights are stored yet."""
        model = build_model(config, self.dtype)
        _prepare(model, self.device)
        checkpoint = Checkpoint({})
        weights = Weights.of_part(model, checkpoint)
        return MetaModel(model, checkpoint, self.dtype, self.device, weights)

    def block_name(self, index: int) -> str:
        """Return the dotted name of one block."""
        return f"{self.prefix}.{index}"

    def read_block(self, index: int, weights: Weights | None = None) -> dict[str, Tensor]:
        """Read a block's parameters in their stored dtype.

        Args:
            index: index of the block.
            weights: the weights to read from; by default those of this model's checkpoint.

        Returns:
            The parameters, by their names in the block.
        """
        prefix = f"{self.block_name(index)}."
        loaded = (weights or self.weights).load(lambda name: name.startswith(prefix))
        return {name.removeprefix(prefix): value for name, value in loaded.items()}

    def read_ahead(self, index: int) -> None:
        """Have the system read a block's tensors from disk in the background."""
        self.checkpoint.read_ahead(self.weights.sources(f"{self.block_name(index)}."))

    def stored_block(self, index: int, parameters: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return a block's parameters under the checkpoint's names and in its layout."""
        prefix = f"{self.block_name(index)}."
        return self.weights.to_stored({prefix + name: value for name, value in parameters.items()})

    def packed_block(
        self, index: int, matrices: Mapping[str, QuantizedMatrix]
    ) -> dict[str, Tensor]:
        """Return the stored tensors of a block's quantised matrices, given by parameter name.

        Raises:
            ValueError: a matrix's parameter is not stored as one tensor.
        """
        tensors: dict[str, Tensor] = {}
        for parameter, matrix in matrices.items():
            name = self.weights.stored_name(f"{self.block_name(index)}.{parameter}")
            if name is None:
                raise ValueError(f"{parameter} is joined from several tensors")
            tensors |= matrix.stored(name)
        return tensors

    @contextmanager
    def loaded_block(self, index: int, parameters: dict[str, Tensor]) -> Iterator[nn.Module]:
        """Yield block ``index`` with these parameters, for the body of the ``with`` statement.

        The parameters are moved to the device of the forward and converted to its dtype. A
        parameter that already has this device and this dtype is not copied.
        """
        block = self.blocks[index]
        empty = block.state_dict()
        placed = {name: self._placed(value, empty[name]) for name, value in parameters.items()}
        with _assigned(block, placed):
            yield block

    def zeroed_block(self, index: int) -> AbstractContextManager[nn.Module]:
        """Yield block ``index`` with zeros as its parameters, which need not be read."""
        empty = self.blocks[index].state_dict()
        return self.loaded_block(
            index, {name: torch.zeros_like(tensor, device="cpu") for name, tensor in empty.items()}
        )

    @property
    def config(self) -> PretrainedConfig:
        """The config of the decoder, which may be a part of the model's config."""
        config: PretrainedConfig = self.model.config.get_text_config()
        return config

    @property
    def embedding_names(self) -> list[str]:
        """Names of the parameters outside the blocks, except those of an untied head."""
        return self._outside(self.model.get_output_embeddings())

    @property
    def head_names(self) -> list[str]:
        """Names of the parameters outside the blocks, except those of untied embeddings."""
        return self._outside(self.model.get_input_embeddings())

    def loaded_embeddings(
        self, known: dict[str, Tensor] | None = None
    ) -> AbstractContextManager[None]:
        """Load the parameters of `embedding_names` for the body of the ``with`` statement.

        ``known`` are stored tensors that are in memory already; it is emptied.
        """
        return self._loaded(self.embedding_names, known=known)

    def loaded_head(self, weights: Weights | None = None) -> AbstractContextManager[None]:
        """Load the parameters of `head_names` for the body of the ``with`` statement.

        ``weights`` are read in place of those of this model's checkpoint.
        """
        return self._loaded(self.head_names, weights)

    def loaded_outside_blocks(self) -> AbstractContextManager[None]:
        """Load all parameters outside the blocks for the body of the ``with`` statement."""
        return self._loaded([*self.embedding_names, *self.head_names])

    def _outside(self, excluded: nn.Module | None) -> list[str]:
        """Return the names of the parameters outside the blocks.

        The parameters of the module ``excluded`` are left out, except those that are tied.
        """
        excluded_name = next(
            (name for name, m in self.model.named_modules() if m is excluded), None
        )
        tied = {name for pair in self.model.all_tied_weights_keys.items() for name in pair}
        return [
            name
            for name in self.model.state_dict()
            if not name.startswith(f"{self.prefix}.")
            and (name in tied or excluded_name is None or not name.startswith(f"{excluded_name}."))
        ]

    @contextmanager
    def _loaded(
        self,
        names: list[str],
        weights: Weights | None = None,
        known: dict[str, Tensor] | None = None,
    ) -> Iterator[None]:
        """Load these parameters for the body of the ``with`` statement."""
        values = (weights or self.weights).load(set(names).__contains__, known)
        empty = self.model.state_dict()
        for name in values:  # one by one: only one is in memory in both dtypes
            values[name] = self._placed(values[name], empty[name])
        with _assigned(self.model, values):
            self.model.tie_weights(recompute_mapping=False)
            yield
        self.model.tie_weights(recompute_mapping=False)

    def _placed(self, value: Tensor, empty: Tensor) -> Tensor:
        """Return ``value`` on the device of the forward, in the dtype of ``empty``."""
        return value.to(self.device, empty.dtype)


@contextmanager
def _assigned(module: nn.Module, values: dict[str, Tensor]) -> Iterator[None]:
    """Assign values to parameters for the ``with`` body, then restore the meta tensors.

    ``values`` is emptied, so that a tensor is freed once its parameter gets another value.
    """
    empty = {name: _replaced(module, name, value) for name, value in values.items()}
    values.clear()
    try:
        yield
    finally:
        for name, value in empty.items():
            _replaced(module, name, value)


def _replaced(module: nn.Module, name: str, value: Tensor) -> Tensor:
    """Give a parameter or a buffer another value; return the one before.

    ``load_state_dict`` would look at every module, for each block anew.

    Raises:
        ValueError: the shapes differ.
    """
    path, _, own = name.rpartition(".")
    owner = module.get_submodule(path)
    before: Tensor = getattr(owner, own)
    if value.shape != before.shape:
        raise ValueError(f"{name} has shape {list(before.shape)}, not {list(value.shape)}")
    if isinstance(before, nn.Parameter) and not isinstance(value, nn.Parameter):
        value = nn.Parameter(value, requires_grad=before.requires_grad)
    setattr(owner, own, value)
    return before


def build_model(config: PretrainedConfig, dtype: torch.dtype) -> PreTrainedModel:
    """Return the decoder that a config describes, on the ``meta`` device."""
    with torch.device("meta"):
        return AutoModelForCausalLM.from_config(
            config,
            dtype=dtype,
            trust_remote_code=False,
            # One expert after the other, so that the inputs of each can be observed.
            experts_implementation="eager",
        )


def _prepare(model: PreTrainedModel, device: torch.device) -> None:
    """Prepare a model for the forward passes of its blocks."""
    if slices_are_faster():
        use_sliced_attention(model)
    model.eval().requires_grad_(False)
    model.config.use_cache = False
    _fill_computed_buffers(model, device)


def check_is_decoder(config: PretrainedConfig) -> None:
    """Check that transformers has a decoder for this config.

    Raises:
        UnsupportedModelError: transformers has no such decoder.
    """
    kind = config.model_type
    if config.is_encoder_decoder or kind not in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        raise UnsupportedModelError(f"a model of type {kind!r} is not a decoder", _REMEDY)


def check_is_causal(model: PreTrainedModel) -> None:
    """Check that no token attends to later tokens.

    The check is needed because transformers builds even BERT as a decoder.

    Raises:
        UnsupportedModelError: the attention is not causal, or the model has no list of decoder
            blocks.
    """
    if any(
        getattr(module, "is_causal", True) is False for module in find_blocks(model)[1].modules()
    ):
        kind = model.config.model_type
        raise UnsupportedModelError(f"a model of type {kind!r} is not a decoder", _REMEDY)


def _invalid_config(folder: Path, error: Exception) -> UnsupportedModelError:
    kind = json.loads((folder / "config.json").read_text()).get("model_type")
    text = shorten(str(error).replace(str(folder), folder.name), 240, placeholder=" ...")
    return UnsupportedModelError(
        f"transformers {version('transformers')} cannot build a decoder from config.json, whose "
        f"model type is {kind!r} ({type(error).__name__}: {text})",
        "give a decoder that it supports, with its original config",
    )


def _fill_computed_buffers(model: PreTrainedModel, device: torch.device) -> None:
    """Compute the buffers that checkpoints do not contain, such as rotary frequencies.

    The model's own ``_init_weights`` computes them. It would also initialize the parameters, which
    stay on ``meta``: their marks let transformers leave them out, because to draw numbers there
    takes longer than all the rest.

    Raises:
        UnsupportedModelError: the buffers would take more than 4 GiB.
    """
    stored = model.state_dict().keys()
    computed = [
        (module, name, buffer)
        for owner_name, module in model.named_modules()
        for name, buffer in module.named_buffers(recurse=False)
        if f"{owner_name}.{name}".lstrip(".") not in stored
    ]
    size = sum(buffer.numel() * buffer.element_size() for *_, buffer in computed)
    if size > MAX_COMPUTED_BYTES:
        raise UnsupportedModelError(
            f"config.json leads to {size:,} bytes of computed buffers, such as masks "
            f"of all positions, but at most {MAX_COMPUTED_BYTES:,} are allowed",
            "give the model's original config",
        )
    for module, name, buffer in computed:
        setattr(module, name, torch.empty_like(buffer, device="cpu"))
    _clear_flags(model)
    for parameter in model.parameters():
        parameter._is_hf_initialized = True
    model.initialize_weights()
    _to_device(model, device)


def _clear_flags(model: PreTrainedModel) -> None:
    for module in model.modules():
        module.__dict__.pop("_is_hf_initialized", None)


def _to_device(model: nn.Module, device: torch.device) -> None:
    for module in model.modules():
        for name, buffer in module.named_buffers(recurse=False):
            if not buffer.is_meta:
                setattr(module, name, buffer.to(device))
