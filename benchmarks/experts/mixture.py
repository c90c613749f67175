"""A mixture of experts that is small enough to be trained on a processor, and its texts."""

import sys
from pathlib import Path

import torch
from tokenizers import Tokenizer
from tokenizers.decoders import ByteLevel as ByteDecoder
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel
from tokenizers.trainers import BpeTrainer
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast, Qwen3MoeConfig

SEQ_LEN = 128
TEXTS = ("own", "other")
EXPERTS = 16
_VOCABULARY, _BATCH, _RATE, _DECAY = 2048, 16, 3e-3, 0.1
_CYCLE, _COOLING = 1800, 150
"""The steps of a whole cycle of learning rates, and the last steps, in which the rate falls to 0
from wherever it is."""
_EVERY = 100  # steps between two lines that print the loss


def write_texts(own: Path, other: Path, folder: Path) -> None:
    """Write the first nine tenths of both texts, which the mixture learns, and the rest."""
    for name, text in zip(TEXTS, (own.read_text(), other.read_text()), strict=True):
        end = len(text) * 9 // 10
        (folder / f"{name}-known.txt").write_text(text[:end])
        (folder / f"{name}-unknown.txt").write_text(text[end:])


def windows_of(tokenizer: PreTrainedTokenizerFast, text: Path) -> torch.Tensor:
    """Return all windows of a text, ``[windows, SEQ_LEN]`` int64."""
    ids = torch.tensor(tokenizer(text.read_text(), verbose=False)["input_ids"])
    return ids[: len(ids) // SEQ_LEN * SEQ_LEN].view(-1, SEQ_LEN)


def train(texts: Path, out: Path, steps: int) -> None:
    """Train a tokenizer and a mixture on the known parts of both texts, and write them.

    Args:
        texts: the folder of the texts.
        out: the folder of the model.
        steps: the number of steps, each of 16 windows.
    """
    known = [texts / f"{name}-known.txt" for name in TEXTS]
    tokenizer = _tokenizer(known)
    windows = torch.cat([windows_of(tokenizer, text) for text in known])
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(_config(), dtype=torch.float32).train()
    adam = torch.optim.AdamW(model.parameters(), _RATE, weight_decay=_DECAY)
    rates = torch.optim.lr_scheduler.OneCycleLR(adam, _RATE, total_steps=max(_CYCLE, steps))
    for step in range(steps):
        batch = windows[torch.randint(len(windows), (_BATCH,))]
        loss = model(batch, labels=batch, output_router_logits=True, use_cache=False).loss
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        adam.step()
        adam.zero_grad()
        if (cooled := step + 1 + _COOLING - steps) <= 0:
            rates.step()
        else:
            adam.param_groups[0]["lr"] = rates.get_last_lr()[0] * (1 - cooled / _COOLING)
        if step % _EVERY == 0:
            print(f"step {step} of {steps}: {loss.item():.3f}", file=sys.stderr, flush=True)
    tokenizer.save_pretrained(out)
    model.save_pretrained(out)


def _tokenizer(texts: list[Path]) -> PreTrainedTokenizerFast:
    backend = Tokenizer(BPE())
    backend.pre_tokenizer, backend.decoder = ByteLevel(add_prefix_space=False), ByteDecoder()
    backend.train(
        [str(text) for text in texts],
        BpeTrainer(
            vocab_size=_VOCABULARY,
            special_tokens=["<s>"],
            initial_alphabet=ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    return PreTrainedTokenizerFast(tokenizer_object=backend, bos_token="<s>")


def _config() -> Qwen3MoeConfig:
    return Qwen3MoeConfig(
        vocab_size=_VOCABULARY,
        hidden_size=128,
        intermediate_size=256,
        moe_intermediate_size=128,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=4,
        head_dim=32,
        num_experts=EXPERTS,
        num_experts_per_tok=2,
        norm_topk_prob=True,
        max_position_embeddings=SEQ_LEN,
        tie_word_embeddings=True,
        bos_token_id=0,
    )
