"""The texts of a trial, against those of plain transformers."""

from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from db.spec.trials import TrialRequest
from tests.worker.jobs.stages.vocabulary_jobs import run, spec_of, write_dense
from tests.worker.vocabulary.small_tokenizers import STORY
from worker.jobs.resources import Resources
from worker.jobs.trials.answer import answer
from worker.jobs.trials.tried_model import TriedModel
from worker.pruning.base.generators import run_to_end

TOKENS = 8


@torch.no_grad()
def continued(folder: Path) -> str:
    """Return the text with which a model continues the story, by its own tokenizer."""
    tokenizer, model = (
        AutoTokenizer.from_pretrained(folder),
        AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32),
    )
    ids = tokenizer(STORY, return_tensors="pt")["input_ids"]
    written = model.generate(ids, max_new_tokens=TOKENS, do_sample=False)
    text: str = tokenizer.decode(written[0, ids.shape[1] :])
    return text


def test_a_model_with_fewer_tokens_is_tried_with_its_own_tokenizer(tmp_path: Path) -> None:
    dense = write_dense(tmp_path / "dense")
    out, _ = run(dense)
    request = TrialRequest(prompt=STORY, max_tokens=TOKENS)
    trial = answer(spec_of(dense), request, TriedModel(out, None), Resources(device="cpu"))
    texts = run_to_end(trial).metrics
    assert texts == {"dense": continued(dense), "pruned": continued(out)}
