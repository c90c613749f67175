"""Runs a model's folder with OpenVINO: ``python -m tests.handoffs.openvino_model FOLDER``.

A process of its own, because OpenVINO's converter changes torch for the whole process. Reads rows
of token ids as JSON, and prints their logits.
"""

import json
import sys
from pathlib import Path

import openvino
import torch
from transformers import AutoModelForCausalLM


class Logits(torch.nn.Module):
    """A model that takes token ids and returns logits."""

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.model(input_ids=input_ids, use_cache=False).logits
        return logits


def main() -> None:
    folder, rows = Path(sys.argv[1]), json.load(sys.stdin)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    ids = torch.tensor(rows)
    exported = torch.export.export(Logits(model), (ids,))
    compiled = openvino.compile_model(
        openvino.convert_model(exported), "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
    )
    sys.stdout.write(json.dumps(compiled(ids.numpy())[0].tolist()) + "\n")


if __name__ == "__main__":
    main()
