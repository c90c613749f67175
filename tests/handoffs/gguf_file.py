"""Writes a Llama folder as a GGUF file, in the layout of llama.cpp's converter."""

from collections.abc import Iterator
from pathlib import Path

import gguf
import numpy as np
import torch
from transformers import LlamaConfig

from worker.pruning.model.checkpoint import Checkpoint


def write_gguf(folder: Path, file: Path) -> None:
    """Write the weights in float32, with a vocabulary in which the text of token 17 is ``17,``."""
    config = LlamaConfig.from_pretrained(folder)
    writer = gguf.GGUFWriter(file, "llama")
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_dimension_count(config.head_dim)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_vocab_size(config.vocab_size)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    _add_vocabulary(writer, config.vocab_size)
    for name, values in _tensors(folder, config):
        writer.add_tensor(name, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _add_vocabulary(writer: gguf.GGUFWriter, size: int) -> None:
    writer.add_tokenizer_model("llama")
    writer.add_token_list([f"{token}," for token in range(size)])
    writer.add_token_scores([-float(token) for token in range(size)])
    writer.add_token_types([gguf.TokenType.NORMAL] * size)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)


def _tensors(
    folder: Path, config: LlamaConfig
) -> Iterator[tuple[str, "np.ndarray[tuple[int, ...], np.dtype[np.float32]]"]]:
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, config.num_hidden_layers)
    heads = {"q_proj": config.num_attention_heads, "k_proj": config.num_key_value_heads}
    checkpoint = Checkpoint.open(folder)
    for name in checkpoint.tensors:
        weight = checkpoint.read(name).float()
        for part, count in heads.items():
            if part in name:
                weight = _interleaved(weight, count)
        yield names.get_name(name, (".weight",)), weight.numpy()


def _interleaved(weight: torch.Tensor, heads: int) -> torch.Tensor:
    """Reorder the rows of each head: GGUF rotates neighbours, transformers the two halves."""
    halves = weight.view(heads, 2, -1, weight.shape[1])
    return halves.transpose(1, 2).reshape(weight.shape).contiguous()
