"""A model without its weights: its code runs, and its parts are filled when they are needed."""

import json
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from importlib.metadata import version
from pathlib import Path
from textwrap import shorten

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForCausalLM, PretrainedConfig, PreTrainedModel
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

from worker.pruning.base.errors import UnsupportedModelError
from worker.pruning.model.attention import use_slices
from worker.pruning.model.blocks import find_blocks
from worker.pruning.model.checkpoint import Checkpoint
from worker.pruning.model.weights import Weights

DECODERS = "give a model that writes text token by token, such as Llama, Qwen, Gemma or GPT-2"

MOST_COMPUTED_BYTES = 4 << 30


class MetaModel:
    """A decoder built on the ``meta`` device, with the weights it would load.

    Attributes:
        model: the whole model; all parameters are on ``meta`` unless a part is filled.
        checkpoint: the stored tensors.
        weights: the same under the model's parameter names.
        prefix: the name of the list of decoder blocks, such as ``model.layers``.
        blocks: that list.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        checkpoint: Checkpoint,
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        self.model, self.checkpoint = model, checkpoint
        self.dtype, self.device = dtype, device
        self.weights = Weights(model, checkpoint)
        self.prefix, self.blocks = find_blocks(model)

    @classmethod
    def open(cls, folder: Path, dtype: torch.dtype, device: torch.device) -> "MetaModel":
        """Build the model that the folder's config describes, to compute in ``dtype``.

        Raises:
            UnsupportedModelError: transformers makes no decoder of this config.
            CheckpointError: the weights are damaged or incomplete.
        """
        try:
            config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
            refuse_others(config)
            with torch.device("meta"):
                model = AutoModelForCausalLM.from_config(
                    config,
                    dtype=dtype,
                    trust_remote_code=False,
                    # One expert after the other, so that each one's own inputs can be seen.
                    experts_implementation="eager",
                )
        except (OSError, UnsupportedModelError):
            raise
        except Exception as error:  # whatever a family's code makes of an odd config
            raise _unreadable(folder, error) from error
        refuse_encoders(model)
        use_slices(model)
        model.eval().requires_grad_(False)
        model.config.use_cache = False
        _fill_computed_buffers(model, device)
        return cls(model, Checkpoint.open(folder), dtype, device)

    def block_name(self, index: int) -> str:
        """Return the dotted name of one block."""
        return f"{self.prefix}.{index}"

    def read_block(self, index: int, weights: Weights | None = None) -> dict[str, Tensor]:
        """Read a block's parameters, named inside the block, in their stored dtype.

        Args:
            index: which block.
            weights: another version of the model's; its own by default.
        """
        prefix = f"{self.block_name(index)}."
        loaded = (weights or self.weights).load(lambda name: name.startswith(prefix))
        return {name.removeprefix(prefix): value for name, value in loaded.items()}

    def read_ahead(self, index: int) -> None:
        """Have the system fetch a block's tensors from disk while something else is done."""
        self.checkpoint.read_ahead(self.weights.sources(f"{self.block_name(index)}."))

    def stored_block(self, index: int, parameters: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return a block's parameters under the names and in the layout they were read from."""
        prefix = f"{self.block_name(index)}."
        return self.weights.to_stored({prefix + name: value for name, value in parameters.items()})

    @contextmanager
    def loaded_block(self, index: int, parameters: dict[str, Tensor]) -> Iterator[nn.Module]:
        """Lend block ``index`` with its parameters, as copies in the dtype it computes in."""
        block = self.blocks[index]
        empty = block.state_dict()
        placed = {name: self._placed(value, empty[name]) for name, value in parameters.items()}
        with _filled(block, placed):
            yield block

    @property
    def embedding_names(self) -> list[str]:
        """The parameters of what runs before and between the blocks: all but a head of its own."""
        return self._outside(self.model.get_output_embeddings())

    @property
    def head_names(self) -> list[str]:
        """The parameters of what runs after the blocks: all but input embeddings of their own."""
        return self._outside(self.model.get_input_embeddings())

    def loaded_embeddings(self) -> AbstractContextManager[None]:
        """Fill what runs before and between the blocks."""
        return self._filled_outside(self.embedding_names)

    def loaded_head(self) -> AbstractContextManager[None]:
        """Fill what runs after the blocks."""
        return self._filled_outside(self.head_names)

    def _outside(self, spared: nn.Module | None) -> list[str]:
        """Return all parameters outside the blocks but those that only ``spared`` holds."""
        spared_name = next((name for name, m in self.model.named_modules() if m is spared), None)
        tied = {name for pair in self.model.all_tied_weights_keys.items() for name in pair}
        return [
            name
            for name in self.model.state_dict()
            if not name.startswith(f"{self.prefix}.")
            and (name in tied or spared_name is None or not name.startswith(f"{spared_name}."))
        ]

    @contextmanager
    def _filled_outside(self, names: list[str]) -> Iterator[None]:
        """Fill these parameters, and empty them again."""
        values, empty = self.weights.load(set(names).__contains__), self.model.state_dict()
        for name in values:  # one by one: only one of them is held in both dtypes
            values[name] = self._placed(values[name], empty[name])
        with _filled(self.model, values):
            self.model.tie_weights(recompute_mapping=False)
            yield
        self.model.tie_weights(recompute_mapping=False)

    def _placed(self, value: Tensor, empty: Tensor) -> Tensor:
        """Return the value on the device, in the dtype of the parameter it is for."""
        return value.to(self.device, empty.dtype)


@contextmanager
def _filled(module: nn.Module, values: dict[str, Tensor]) -> Iterator[None]:
    """Put values in place of meta tensors, and take them out again."""
    empty = {name: value for name, value in module.state_dict().items() if name in values}
    module.load_state_dict(values, strict=False, assign=True)
    try:
        yield
    finally:
        module.load_state_dict(empty, strict=False, assign=True)


def refuse_others(config: PretrainedConfig) -> None:
    """Refuse the config of a model that transformers knows as something else than a decoder."""
    kind = config.model_type
    if config.is_encoder_decoder or kind not in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        raise UnsupportedModelError(f"a model of type {kind!r} is no decoder; {DECODERS}")


def refuse_encoders(model: PreTrainedModel) -> None:
    """Refuse a model whose tokens attend to later ones, as in BERT: transformers builds it, too."""
    if any(
        getattr(module, "is_causal", True) is False for module in find_blocks(model)[1].modules()
    ):
        kind = model.config.model_type
        raise UnsupportedModelError(f"a model of type {kind!r} is no decoder; {DECODERS}")


def _unreadable(folder: Path, error: Exception) -> UnsupportedModelError:
    kind = json.loads((folder / "config.json").read_text()).get("model_type")
    text = shorten(str(error).replace(str(folder), folder.name), 240, placeholder=" ...")
    return UnsupportedModelError(
        f"transformers {version('transformers')} makes no decoder of config.json, whose model type "
        f"is {kind!r} ({type(error).__name__}: {text}); give a decoder that it knows, with the "
        "config it came with"
    )


def _fill_computed_buffers(model: PreTrainedModel, device: torch.device) -> None:
    """Compute the buffers that no checkpoint stores, such as rotary frequencies.

    transformers itself builds models on ``meta``, so each family's ``_init_weights`` can compute
    its buffers afresh; on parameters, which stay on ``meta``, it does nothing.
    """
    stored = model.state_dict().keys()
    computed = [
        (module, name, buffer)
        for owner_name, module in model.named_modules()
        for name, buffer in module.named_buffers(recurse=False)
        if f"{owner_name}.{name}".lstrip(".") not in stored
    ]
    size = sum(buffer.numel() * buffer.element_size() for *_, buffer in computed)
    if size > MOST_COMPUTED_BYTES:
        raise UnsupportedModelError(
            f"its config asks for {size:,} bytes of tables that no checkpoint stores, such as "
            f"masks as long as its positions, and {MOST_COMPUTED_BYTES:,} are taken at most; give "
            "the model the config it came with"
        )
    for module, name, buffer in computed:
        setattr(module, name, torch.empty_like(buffer, device="cpu"))
    _clear_flags(model)
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
