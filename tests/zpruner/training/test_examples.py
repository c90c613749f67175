"""Runs the examples of docs/training.md."""

import re
from pathlib import Path

import pytest
from transformers import AutoModelForCausalLM

from tests.e2e.embedded import SENTENCE, TINY
from tests.recipes import blocks
from tests.zpruner.training.sparse_models import OF_PEFT, prune
from zpruner.training.safetensors_folder import SafetensorsFolder

NO_GPU = "ignore:'pin_memory' argument is set as true but no accelerator is found"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a pruned model and a text."""
    monkeypatch.chdir(tmp_path)
    TINY.write(tmp_path / "pruned")
    model = AutoModelForCausalLM.from_pretrained("pruned")
    for name, parameter in model.named_parameters():
        if "layers" in name and parameter.ndim == 2:
            prune(parameter.data)
    model.save_pretrained("pruned")
    (tmp_path / "train.txt").write_text("".join(SENTENCE.format(n) for n in range(40)))
    return tmp_path


def run(heading: str) -> None:
    (example,) = blocks("training.md", heading, "python")
    exec(compile(example, f"docs/training.md, {heading}", "exec"), {"__name__": "example"})


@pytest.mark.filterwarnings(OF_PEFT)
@pytest.mark.filterwarnings(NO_GPU)  # of torch: the examples are written for any machine
@pytest.mark.parametrize(
    "heading", ["A loop of your own", "The Trainer of transformers", "LoRA with peft"]
)
def test_an_example_trains_the_model_and_keeps_its_zeros(
    heading: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(heading)
    assert capsys.readouterr().out.splitlines()[-1] == "[]"
    pruned, trained = SafetensorsFolder(folder / "pruned"), SafetensorsFolder(folder / "trained")
    assert all((pruned[name] != trained[name]).any() for name in pruned if "proj" in name)


def test_the_example_of_a_loss_names_the_tensor(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run("Which tensors lost zeros")
    out = capsys.readouterr().out
    assert out == "model.layers.1.mlp.up_proj.weight: 50.0% zeros before, 0.0% after\n"


def test_every_name_of_the_table_is_used_by_an_example() -> None:
    page = Path(__file__).parents[3] / "docs" / "training.md"
    names = re.findall(r"^\| `(?:adapters\.)?(\w+)\(", page.read_text(), re.MULTILINE)
    headings = re.findall(r"^## (.*)$", page.read_text(), re.MULTILINE)
    code = "".join(
        block for heading in headings for block in blocks("training.md", heading, "python")
    )
    assert len(names) == 6
    assert [name for name in names if f"{name}(" not in code] == []
