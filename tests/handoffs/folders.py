"""Model folders as jobs write them, with a tokenizer that llama.cpp's converter knows."""

import json
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer
from tokenizers.decoders import ByteFallback, Fuse, Sequence
from tokenizers.models import BPE
from transformers import PretrainedConfig, PreTrainedTokenizerFast

from db.spec.prune_spec import PruneSpec
from tests.models import FAMILIES, VOCABULARY, random_ids, write_model
from worker.jobs.prune import prune
from worker.jobs.resources import Resources
from worker.pruning.base.generators import run_to_end

END = 2


def write_dense(folder: Path, config: PretrainedConfig = FAMILIES["llama"]) -> Path:
    """Write a random Llama; the text of token 17 is ``17,``."""
    write_model(folder, config)
    vocabulary = {f"{token},": token for token in range(VOCABULARY)}
    backend = Tokenizer(BPE(vocabulary, [], byte_fallback=True))
    backend.decoder = Sequence([ByteFallback(), Fuse()])
    tokenizer: Any = PreTrainedTokenizerFast(tokenizer_object=backend, eos_token=f"{END},")
    tokenizer.save_pretrained(folder)
    return folder


def write_pruned(folder: Path, dense: Path, **fields: Any) -> Path:
    """Run a job on random token ids, and return its result."""
    rows = folder.with_suffix(".jsonl")
    ids = random_ids(8, 16).tolist()
    rows.write_text("".join(json.dumps({"input_ids": row}) + "\n" for row in ids))
    inputs = {"model": f"local:{dense}", "dataset": f"local:{rows}", "samples": 4}
    folder.mkdir()
    spec = PruneSpec.model_validate(inputs | fields)
    run_to_end(prune(spec, folder, Resources(device="cpu")))
    return folder
