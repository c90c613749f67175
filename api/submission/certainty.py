"""Whether a local model and its texts certainly suit a job, as far as can be said without torch.

What is not certain is not refused here: the planner, which builds the model, is asked.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import islice
from typing import Any

from db.spec.datafiles import JSON_SUFFIXES, ChatRow, DataFile, IdsRow
from db.spec.prune_spec import PruneSpec

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
"""Types of models that every supported version of transformers builds as decoders."""
_LAYER = re.compile(r"\.\d+\.(?!.*(norm|ln_))")
"""A part of a block that is no norm."""
HEADS = ("ForCausalLM", "LMHeadModel")
POSITIONS = ("max_position_embeddings", "n_positions")
BLOCKS = ("num_hidden_layers", "n_layer", "num_layers")
LONGEST = 2048
"""The most tokens that a window has by default."""
DIVISOR = 16
"""The inputs of every layer of a decoder are a multiple of this."""
BYTES_A_TOKEN = 8
"""No tokenizer packs more into a token, on the average of a text."""
DEFAULT_SAMPLES = 128
LONGEST_LINE = 64 << 10
"""JSON becomes many times as large in memory."""
HELD_OUT = 10
"""Without a text of its own the evaluation takes one part of so many."""


@dataclass(frozen=True)
class LocalModel:
    """What the files of a local model say.

    Attributes:
        config: what its config.json holds.
        tensors: the names of its tensors.
    """

    config: Mapping[str, Any]
    tensors: frozenset[str]

    @property
    def positions(self) -> int | None:
        """How many tokens it can read, if its config says so."""
        return self._number(POSITIONS)

    @property
    def blocks(self) -> int | None:
        """How many blocks it has, if its config says so."""
        return self._number(BLOCKS)

    def _number(self, names: Iterable[str]) -> int | None:
        found = [self.config[name] for name in names if type(self.config.get(name)) is int]
        return found[0] if found else None


def is_certain(spec: PruneSpec, model: LocalModel, texts: Mapping[str, DataFile]) -> bool:
    """Whether a job can be done with the model and the local files of its text, by field."""
    return (
        all(_is_judged_by_its_size(file) for file in texts.values())
        and _is_decoder(model.config)
        and _has_blocks(spec, model)
        and _has_layers(spec, model)
        and (spec.pattern is None or DIVISOR % int(spec.pattern.partition(":")[2]) == 0)
        and _has_positions(spec, model, texts)
        and all(_is_enough(spec, model, field, file) for field, file in texts.items())
    )


def _is_judged_by_its_size(file: DataFile) -> bool:
    """Whether a file is text, JSONL of one known field, or token ids; and is read cheaply here.

    Of a table, of a field among others and of chats, only who reads and encodes all can say.
    """
    if not file.holds_rows:
        return True
    if file.suffix not in JSON_SUFFIXES or file.text_field is not None:
        return False
    with file.path.open("rb") as lines:
        if len(lines.readline(LONGEST_LINE + 1)) > LONGEST_LINE:
            return False
    return not isinstance(file.first(), ChatRow)


def _is_decoder(config: Mapping[str, Any]) -> bool:
    heads = config.get("architectures") or ["ForCausalLM"]
    is_generative = isinstance(heads, list) and str(heads[0]).endswith(HEADS)
    return config.get("model_type") in DECODERS and is_generative


def _has_blocks(spec: PruneSpec, model: LocalModel) -> bool:
    return not isinstance(spec.allocation, tuple) or len(spec.allocation) == model.blocks


def _has_layers(spec: PruneSpec, model: LocalModel) -> bool:
    """Whether every glob matches something, and together they leave something of the blocks."""
    if not spec.skip:
        return True
    layers = {name.rpartition(".")[0] for name in model.tensors}
    matched = {glob: {name for name in layers if fnmatchcase(name, glob)} for glob in spec.skip}
    left = layers.difference(*matched.values())
    return all(matched.values()) and any(_LAYER.search(name) for name in left)


def _has_positions(spec: PruneSpec, model: LocalModel, texts: Mapping[str, DataFile]) -> bool:
    wanted = spec.seq_len or _row_length(texts.get("dataset"))
    if wanted is None:
        return True
    return model.positions is not None and wanted <= model.positions


def _is_enough(spec: PruneSpec, model: LocalModel, field: str, file: DataFile) -> bool:
    """Whether a file fills the windows that a job wants of it."""
    evaluates = spec.eval_samples or 1
    length = spec.seq_len or min(LONGEST, model.positions or LONGEST)
    if (row := _row_length(file)) is not None:
        calibrates = spec.samples or (DEFAULT_SAMPLES if spec.eval_samples else 1)
        wanted = evaluates if field == "eval_dataset" else calibrates
        if field == "dataset" and spec.eval_samples and spec.eval_dataset is None:
            wanted += spec.eval_samples
        return row == (spec.seq_len or row) and _has_lines(file, wanted)
    wanted = length * BYTES_A_TOKEN * evaluates
    if spec.eval_dataset is None:
        wanted *= HELD_OUT
    return file.path.stat().st_size >= wanted


def _row_length(file: DataFile | None) -> int | None:
    """Return how many token ids the first row has; None for text."""
    if file is None or not file.holds_rows:  # a plain text would be read as a whole
        return None
    first = file.first()
    return len(first.ids) if isinstance(first, IdsRow) else None


def _has_lines(file: DataFile, wanted: int) -> bool:
    with file.path.open("rb") as lines:
        return sum(1 for _ in islice(lines, wanted)) == wanted
