"""Zero-shot tasks in files, as the LM Evaluation Harness reads them."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

from db.spec.datasets.questions import Question

ITEMS = 24


def write_tasks(folder: Path) -> Path:
    """Write a task of choices, one of yes and no, one of whole texts, and one that generates."""
    folder.mkdir(parents=True)
    _write(
        folder,
        "sums",
        [
            {
                "question": f"What is {n} and {n % 7}?",
                "choices": [str(n), str(n + n % 7), f"about {2 * n}"],
                "answer": n % 3,
            }
            for n in range(ITEMS)
        ],
        output_type="multiple_choice",
        doc_to_text="{{question}} ",
        doc_to_choice="{{choices}}",
        doc_to_target="answer",
        metric_list=[_mean("acc"), _mean("acc_norm")],
    )
    _write(
        folder,
        "parity",
        [{"number": n, "is_even": int(n % 2 == 0)} for n in range(ITEMS)],
        output_type="multiple_choice",
        doc_to_text="Is {{number}} even? Answer, after some thought about halves and rests: ",
        doc_to_choice=["n", "y"],
        doc_to_target="is_even",
        metric_list=[_mean("acc")],
    )
    _write(
        folder,
        "stories",
        [{"page": f"Once there were {n} foxes, and each had {n} holes. " * 3} for n in range(3)],
        output_type="loglikelihood_rolling",
        doc_to_text="",
        doc_to_target="{{page}}",
        metric_list=[{"metric": "byte_perplexity"}],
    )
    _write(
        folder,
        "essay",
        [{"title": "Foxes", "text": "They live in holes."}],
        output_type="generate_until",
        doc_to_text="{{title}}",
        doc_to_target="{{text}}",
        generation_kwargs={"until": ["."]},
        metric_list=[{"metric": "exact_match"}],
    )
    return folder


def write_questions(folder: Path) -> list[Question]:
    """Write questions as a task "own" of the harness; return them as a dataset's rows are read."""
    questions = [
        Question(
            "" if n % 3 else f"There are {n} foxes.",
            f"How many holes do {n} foxes have?",
            (str(n), f"as many as {n * n} hares", f"{n % 5} and then some"),
            n % 3,
        )
        for n in range(ITEMS)
    ]
    _write(
        folder,
        "own",
        [asdict(one) for one in questions],
        output_type="multiple_choice",
        doc_to_text="{% if context %}{{context}}\n{% endif %}{{question}}",
        doc_to_choice="{{choices}}",
        doc_to_target="answer",
        metric_list=[_mean("acc"), _mean("acc_norm")],
    )
    return questions


def _mean(name: str) -> dict[str, Any]:
    return {"metric": name, "aggregation": "mean", "higher_is_better": True}


def _write(folder: Path, name: str, items: list[dict[str, Any]], **fields: Any) -> None:
    data = folder / f"{name}.jsonl"
    data.write_text("".join(json.dumps(item) + "\n" for item in items))
    task = {
        "task": name,
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(data)}},
        "test_split": "test",
        "metadata": {"version": 1.0},
        **fields,
    }
    (folder / f"{name}.yaml").write_text(yaml.safe_dump(task, sort_keys=False))
