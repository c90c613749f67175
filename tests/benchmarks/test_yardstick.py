"""The yardstick is worth comparing with only if it computes the same thing."""

from pathlib import Path

import numpy as np
import torch
from transformers import AutoModelForCausalLM

from benchmarks.yardstick import prune_whole_model

GOLDEN = Path(__file__).parents[1] / "golden"


def test_the_yardstick_gives_the_authors_masks() -> None:
    ids = torch.from_numpy(np.load(GOLDEN / "ids.npz")["calib"].astype(np.int64)).view(-1, 128)
    model = AutoModelForCausalLM.from_pretrained(GOLDEN / "stories260k", dtype=torch.float32)
    prune_whole_model(model.eval(), ids, 0.5)
    golden = np.load(GOLDEN / "zpruner_0.5.npz")
    assert len(golden) == 5 * 7
    for name in golden:
        mask = model.get_parameter(name).detach().numpy() == 0
        theirs = np.unpackbits(golden[name], count=mask.size).reshape(mask.shape)
        assert (mask == theirs.astype(bool)).all(), name
