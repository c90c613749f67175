"""Checks of a job that need only the files of its local model and texts, and no torch.

A job that fails these checks is not refused: the planner, which builds the model, decides.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from itertools import islice
from typing import Any

from db.spec.datasets.files import JSON_SUFFIXES, ChatRow, DataFile, IdsRow
from db.spec.datasets.protocols import built_in, protocol_window
from db.spec.options.refine import FEWEST_WINDOWS
from db.spec.prune_spec import OPTIONS, PruneSpec

DECODERS = frozenset(
    {
        *("bloom", "codegen", "cohere", "cohere2", "deepseek_v2", "deepseek_v3"),
        *("exaone4", "falcon", "gemma", "gemma2", "gemma3_text", "glm"),
        *("glm4", "gpt2", "gpt_bigcode", "gpt_neo", "gpt_neox", "gpt_oss"),
        *("gptj", "granite", "granitemoe", "internlm3", "llama", "mistral"),
        *("mixtral", "mpt", "olmo", "olmo2", "olmo3", "olmoe"),
        *("opt", "phi", "phi3", "qwen2", "qwen2_moe", "qwen3"),
        *("qwen3_moe", "seed_oss", "smollm3", "stablelm", "starcoder2"),
    }
)
"""Model types that every supported version of transformers builds as decoders."""
_BLOCK_LAYER = re.compile(r"\.\d+\.(?!.*(norm|ln_))")
"""Matches the name of a module in a block, unless the module is a norm."""
DECODER_CLASSES = ("ForCausalLM", "LMHeadModel")
POSITION_KEYS = ("max_position_embeddings", "n_positions")
BLOCK_KEYS = ("num_hidden_layers", "n_layer", "num_layers")
MAX_DEFAULT_SEQ_LEN = 2048
"""Without ``seq_len``, a window has at most this many tokens."""
DIVISOR = 16
"""The input size of every layer of a decoder is a multiple of this."""
LOW_SPARSITY = 1 / DIVISOR
"""At this sparsity or above, a weight of every row is dropped."""
MAX_BYTES_PER_TOKEN = 8
"""No tokenizer averages more than this many bytes per token over a text."""
DEFAULT_SAMPLES = 128
MAX_LINE_BYTES = 64 << 10
"""The longest first row that is parsed: JSON takes many times its size in memory once parsed."""
EVALUATION_DIVISOR = 10
"""Without ``eval_dataset``, the evaluation uses one tenth of the dataset."""


@dataclass(frozen=True)
class LocalModel:
    """A local model's configuration and tensor names.

    Attributes:
        config: the content of its config.json.
        tensors: the names of its tensors.
        shapes: their shapes, by name.
    """

    config: Mapping[str, Any]
    tensors: frozenset[str]
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    @property
    def positions(self) -> int | None:
        """The model's maximum sequence length; None if the configuration does not state it."""
        return self._integer(POSITION_KEYS)

    @property
    def blocks(self) -> int | None:
        """The number of blocks; None if the configuration does not state it."""
        return self._integer(BLOCK_KEYS)

    def _integer(self, names: Iterable[str]) -> int | None:
        integers = [self.config[name] for name in names if type(self.config.get(name)) is int]
        return integers[0] if integers else None


def passes_static_checks(spec: PruneSpec, model: LocalModel, texts: Mapping[str, DataFile]) -> bool:
    """Whether the checks prove that a job can run.

    Args:
        texts: the local files of ``dataset`` and ``eval_dataset``, keyed by these field names.
    """
    return (
        not any(option.uses(spec, name) for option in OPTIONS for name in option.planned)
        and (spec.sparsity == 0 or spec.sparsity >= LOW_SPARSITY)
        and all(_is_checkable(file) for file in texts.values())
        and _is_decoder(model.config)
        and _has_blocks(spec, model)
        and _has_layers(spec, model)
        and (spec.pattern is None or DIVISOR % int(spec.pattern.partition(":")[2]) == 0)
        and _has_positions(spec, model, texts)
        and all(_fills_windows(spec, model, field, file) for field, file in texts.items())
        and _has_windows_to_refine(spec, model, texts)
    )


def _is_checkable(file: DataFile) -> bool:
    """Whether a file's number of tokens can be bounded without reading and encoding all of it.

    This is possible for plain text, and for JSONL rows that contain a ``text`` or token ids. It is
    not possible for tables and chats, if the job names a ``text_field``, or if the first row is
    longer than ``MAX_LINE_BYTES``.
    """
    if not file.holds_rows:
        return True
    if file.suffix not in JSON_SUFFIXES or file.text_field is not None:
        return False
    with file.path.open("rb") as lines:
        if len(lines.readline(MAX_LINE_BYTES + 1)) > MAX_LINE_BYTES:
            return False
    return not isinstance(file.first(), ChatRow)


def _is_decoder(config: Mapping[str, Any]) -> bool:
    classes = config.get("architectures") or ["ForCausalLM"]
    is_causal = isinstance(classes, list) and str(classes[0]).endswith(DECODER_CLASSES)
    return config.get("model_type") in DECODERS and is_causal


def _has_blocks(spec: PruneSpec, model: LocalModel) -> bool:
    return not isinstance(spec.allocation, tuple) or len(spec.allocation) == model.blocks


def _has_layers(spec: PruneSpec, model: LocalModel) -> bool:
    """Whether each glob of ``skip`` matches a layer, and some layer in a block is left to prune."""
    if not spec.skip:
        return True
    layers = {name.rpartition(".")[0] for name in model.tensors}
    matched = {glob: {name for name in layers if fnmatchcase(name, glob)} for glob in spec.skip}
    left = layers.difference(*matched.values())
    return all(matched.values()) and any(_BLOCK_LAYER.search(name) for name in left)


def _has_positions(spec: PruneSpec, model: LocalModel, texts: Mapping[str, DataFile]) -> bool:
    """Whether every window whose length the request decides is within the model's context."""
    lengths = [spec.seq_len or _row_length(texts.get("dataset")), _protocol_length(spec)]
    given = [length for length in lengths if length is not None]
    if not given:
        return True
    return model.positions is not None and max(given) <= model.positions


def _protocol_length(spec: PruneSpec) -> int | None:
    """Return the length of the evaluation windows if a named protocol sets it."""
    name = spec.eval_dataset
    return protocol_window(name, "eval_dataset") if name and built_in(name) else None


def _fills_windows(spec: PruneSpec, model: LocalModel, field: str, file: DataFile) -> bool:
    """Whether the file that ``field`` names suffices for the job's windows.

    A text must be long enough. A file of token ids must have enough rows, and its first row must
    be as long as a window.
    """
    evaluation_windows = spec.eval_samples or 1
    if (row := _row_length(file)) is not None:
        calibration_windows = spec.samples or (DEFAULT_SAMPLES if spec.eval_samples else 1)
        windows = evaluation_windows if field == "eval_dataset" else calibration_windows
        if field == "dataset" and spec.eval_samples and spec.eval_dataset is None:
            windows += spec.eval_samples
        return row == (spec.seq_len or row) and _has_lines(file, windows)
    seq_len = spec.seq_len or min(MAX_DEFAULT_SEQ_LEN, model.positions or MAX_DEFAULT_SEQ_LEN)
    needed_bytes = seq_len * MAX_BYTES_PER_TOKEN * evaluation_windows
    if spec.eval_dataset is None:
        needed_bytes *= EVALUATION_DIVISOR
    return file.path.stat().st_size >= needed_bytes


def _has_windows_to_refine(
    spec: PruneSpec, model: LocalModel, texts: Mapping[str, DataFile]
) -> bool:
    """Whether there are enough calibration windows for the refinement, which holds some out.

    Any number of windows can be taken from text, but only one from each row of token ids.
    """
    if spec.refine is None:
        return True
    row = _row_length(texts.get("dataset"))
    seq_len = (
        spec.seq_len or row or min(MAX_DEFAULT_SEQ_LEN, model.positions or MAX_DEFAULT_SEQ_LEN)
    )
    if spec.refine.tokens is not None and spec.refine.tokens < FEWEST_WINDOWS * seq_len:
        return False
    return row is None or _has_lines(texts["dataset"], FEWEST_WINDOWS)


def _row_length(file: DataFile | None) -> int | None:
    """Return the number of token ids in the first row; None if there is no file or it has text."""
    if file is None or not file.holds_rows:  # reading a row of plain text reads the whole file
        return None
    first = file.first()
    return len(first.ids) if isinstance(first, IdsRow) else None


def _has_lines(file: DataFile, count: int) -> bool:
    with file.path.open("rb") as lines:
        return sum(1 for _ in islice(lines, count)) == count
