"""Small trained tokenizers of the two kinds of byte pair encoding that can write every byte."""

import json
from io import BytesIO
from pathlib import Path
from typing import Any

from sentencepiece import SentencePieceTrainer
from tokenizers import AddedToken, Tokenizer
from tokenizers.decoders import ByteLevel as ByteDecoder
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel
from tokenizers.processors import TemplateProcessing
from tokenizers.trainers import BpeTrainer
from transformers import AutoTokenizer, PreTrainedTokenizerFast

STORY = (
    "Once upon a time a little girl saw a big dog. The dog was happy, and the girl was happy too."
)
TEXT = (
    f"{STORY} Then the little girl and the big dog went to the park together, again and again. " * 3
)
OTHER = "Quantum chromodynamics describes strongly interacting quarks. "
SCRIPTS = (
    "Grüße, naïve façade",
    "Привет, мир",
    "Γειά, Κόσμε",
    "你好,世界",
    "こんにちは世界",
    "안녕하세요",
    "مرحبا بالعالم",
    "שלום עולם",
    "नमस्ते दुनिया",
    "สวัสดีชาวโลก",
    "🙂👩‍👩‍👧🦙 ✅",
)
TEMPLATE = "{% for message in messages %}<|user|>{{ message['content'] }}{% endfor %}"


def write_byte_level(folder: Path, size: int = 360) -> Any:
    """Write a tokenizer as that of GPT-2, with two special tokens at the end; return it."""
    backend = Tokenizer(BPE())
    backend.pre_tokenizer = ByteLevel(add_prefix_space=False)
    backend.decoder = ByteDecoder()
    alphabet = ByteLevel.alphabet()
    trainer = BpeTrainer(vocab_size=size, initial_alphabet=alphabet, show_progress=False)
    backend.train_from_iterator([TEXT, OTHER * 4], trainer)
    backend.add_special_tokens(["<|end|>"])
    backend.add_tokens([AddedToken("<|user|>", normalized=False)])
    end = backend.token_to_id("<|end|>")
    backend.post_processor = TemplateProcessing(
        single="$A <|end|>", special_tokens=[("<|end|>", end)]
    )
    tokenizer: Any = PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="<|end|>")
    tokenizer.chat_template = TEMPLATE
    tokenizer.save_pretrained(folder)
    return tokenizer


def write_byte_fallback(folder: Path, size: int = 500) -> Any:
    """Write a tokenizer as that of Llama 2, with its ``tokenizer.model``; return it."""
    model = BytesIO()
    SentencePieceTrainer.train(
        sentence_iterator=iter([TEXT, OTHER * 4]),
        model_writer=model,
        vocab_size=size,
        model_type="bpe",
        byte_fallback=True,
        hard_vocab_limit=False,
        character_coverage=1.0,
        normalization_rule_name="identity",
        minloglevel=2,
    )
    folder.mkdir(exist_ok=True)
    (folder / "tokenizer.model").write_bytes(model.getvalue())
    if not (folder / "config.json").is_file():
        (folder / "config.json").write_text(json.dumps({"model_type": "llama"}))
    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", 1)]
    )
    tokenizer.save_pretrained(folder)
    return tokenizer
