"""Measure a mixture that loses experts: `python -m benchmarks.experts --text FILE --other FILE`.

No mixture is small enough for a processor and trained well enough to be worth pruning, so one is
trained here on the first nine tenths of the text. The rest of the text is what is measured, and
another text of which nothing was used.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import torch
from tokenizers import Tokenizer
from tokenizers.decoders import ByteLevel as ByteDecoder
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel
from tokenizers.trainers import BpeTrainer
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast, Qwen3MoeConfig
from transformers.utils import logging

from benchmarks.machine import machine
from benchmarks.quality.measured_job import job_fields, measure
from db.spec.prune_spec import PruneSpec
from worker.pruning.sweep.experts.expert_cutter import ExpertCutter

PATH = Path(__file__).parent / "results" / "experts.json"
EXPERTS, SEQ_LEN, VOCABULARY, BATCH = 16, 128, 1024, 16
RATE = 3e-3
SCORES, RATIOS = ("reap", "frequency", "random"), (0.25, 0.5)
TEXTS = ("unknown", "other")
RATES = {"": None, "router": 5e-5, "router at 1e-3": 1e-3}
"""The learning rates of the routers by the name of the column; the first one trains none."""
OTHER_CHARACTERS = 200_000
Figures = dict[str, Any]


def main() -> None:
    """Train the mixture, run a job for each row and column, and write JSON and Markdown."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.experts", description=__doc__)
    parser.add_argument("--text", type=Path, required=True, help="a text file, at least 500 kB")
    parser.add_argument("--other", type=Path, required=True, help="a text of another kind")
    parser.add_argument("--steps", type=int, default=300, help="steps in which it is trained")
    parser.add_argument("--tokens", type=int, default=65_536, help="on which routers are trained")
    given = parser.parse_args()
    logging.disable_progress_bar()
    with TemporaryDirectory() as scratch:
        folder = Path(scratch)
        _write_texts(given.text, given.other, folder)
        loss = _train(folder, given.steps)
        print(f"trained to a loss of {loss:.3f}", file=sys.stderr, flush=True)
        rows = [_measured(folder, given.tokens, *row) for row in product(SCORES, RATIOS)]
    protocol = {
        name: value.name if isinstance(value, Path) else value
        for name, value in vars(given).items()
    }
    table = {"protocol": protocol, "machine": machine(), "loss": loss, "rows": rows}
    PATH.write_text(json.dumps(table, indent=1) + "\n")
    PATH.with_suffix(".md").write_text(markdown(table))
    print(json.dumps(table))


def _write_texts(text: Path, other: Path, folder: Path) -> None:
    (folder / "other.txt").write_text(other.read_text()[:OTHER_CHARACTERS])
    whole = text.read_text()
    end = len(whole) * 9 // 10
    (folder / "known.txt").write_text(whole[:end])
    (folder / "unknown.txt").write_text(whole[end:])


def _train(folder: Path, steps: int) -> float:
    """Train a tokenizer and a mixture on the known text; return the mean of the last losses."""
    tokenizer = _tokenizer(folder / "known.txt")
    tokenizer.save_pretrained(folder / "model")
    text = (folder / "known.txt").read_text()
    ids = torch.tensor(tokenizer(text, verbose=False)["input_ids"])
    windows = ids[: len(ids) // SEQ_LEN * SEQ_LEN].view(-1, SEQ_LEN)
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(_config(), dtype=torch.float32).train()
    adam = torch.optim.AdamW(model.parameters(), RATE)
    rates = torch.optim.lr_scheduler.OneCycleLR(adam, RATE, total_steps=steps)
    losses = []
    for _ in range(steps):
        batch = windows[torch.randint(len(windows), (BATCH,))]
        loss = model(batch, labels=batch, output_router_logits=True, use_cache=False).loss
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        adam.step()
        adam.zero_grad()
        rates.step()
        losses.append(float(loss.detach()))
    model.save_pretrained(folder / "model")
    return sum(losses[-20:]) / len(losses[-20:])


def _tokenizer(text: Path) -> PreTrainedTokenizerFast:
    backend = Tokenizer(BPE())
    backend.pre_tokenizer, backend.decoder = ByteLevel(add_prefix_space=False), ByteDecoder()
    letters = ByteLevel.alphabet()
    backend.train(
        [str(text)],
        BpeTrainer(
            vocab_size=VOCABULARY,
            special_tokens=["<s>"],
            initial_alphabet=letters,
            show_progress=False,
        ),
    )
    return PreTrainedTokenizerFast(tokenizer_object=backend, bos_token="<s>")


def _config() -> Qwen3MoeConfig:
    return Qwen3MoeConfig(
        vocab_size=VOCABULARY,
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


def _measured(folder: Path, tokens: int, score: str, ratio: float) -> Figures:
    """Return a row: the perplexities of one choice of experts, with and without recovery."""
    row: Figures = {"score": score, "ratio": ratio}
    for name, rate in RATES.items():
        recover = {"kind": "router", "tokens": tokens, "lr": rate}
        fields = {
            "method": "experts",
            "selection": None if score == "random" else score,
            "ratio": ratio,
            "recover": recover if rate else None,
        }
        out = folder / f"{score} {ratio} {name}"
        out.mkdir()
        with _scores(score):
            row |= _perplexities(folder, folder / "model", "unknown", name, out, **fields)
        row |= _perplexities(folder, out, "other", name, method="none")
    return row


def _perplexities(
    folder: Path, model: Path, text: str, name: str, out: Path | None = None, /, **fields: Any
) -> Figures:
    """Return the perplexities of a job's model on one of the texts, the dense one's too."""
    asked = job_fields(
        model,
        folder / "known.txt",
        folder / f"{text}.txt",
        seq_len=SEQ_LEN,
        samples=64,
        dtype="float32",
        **fields,
    )
    spec = PruneSpec.model_validate(asked)
    metrics = measure(spec, folder / "baselines", out)
    print(f"{model.name} {text} {name}: {metrics['pruned_perplexity']:.3f}", file=sys.stderr)
    return {
        f"{text} {name}".strip(): metrics["pruned_perplexity"],
        **({} if fields["method"] == "none" else {"dense": metrics["dense_perplexity"]}),
    }


@contextmanager
def _scores(score: str) -> Iterator[None]:
    """During the ``with`` body, experts have random scores if these are asked for."""
    if score != "random":
        yield
        return
    torch.manual_seed(0)
    with patch.object(ExpertCutter, "_scores", lambda _, text: torch.rand(text.count)):
        yield


def markdown(table: Figures) -> str:
    """Return the table as Markdown."""
    names = [f"{text} {name}".strip() for text in TEXTS for name in RATES]
    head = ["experts that go", *(name.replace("unknown", "same kind") for name in names)]
    lines = [f"| {' | '.join(head)} |", f"|---|{'---:|' * len(names)}"]
    for row in table["rows"]:
        cells = " | ".join(f"{row[name]:.2f}" for name in names)
        lines.append(f"| {row['ratio']:.0%} by `{row['score']}` | {cells} |")
    dense = (
        f"Perplexity of the dense model on text of the same kind: {table['rows'][0]['dense']:.2f}."
    )
    return f"# Mixtures that lose experts\n\n{dense}\n\n" + "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
