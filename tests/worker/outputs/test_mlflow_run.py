import math

from worker.outputs.mlflow_run import MAX_PARAM, Point, metrics, parameters, task_table


def test_parameters_are_the_fields_that_are_set() -> None:
    spec = {"model": "m", "sparsity": 0.5, "pattern": None, "skip": [], "output": [{"hub": "a/b"}]}
    assert parameters(spec) == {"model": "m", "sparsity": "0.5"}
    assert len(parameters({"allocation": [0.5] * 10_000})["allocation"]) == MAX_PARAM


def test_numbers_of_nested_objects_have_a_path_and_others_are_left_out() -> None:
    result = {"a": 1, "acc": {"uploaded:x": 0.5}, "text": "x", "flag": True, "bad": math.inf}
    assert metrics(result, {}) == [Point("a", 1.0), Point("acc/uploaded_x", 0.5)]


def test_blocks_and_steps_become_curves() -> None:
    report = {
        "blocks": [{"index": 3, "output_error": 0.5, "prune_seconds": None}],
        "recovery": {"curve": [{"step": 2, "loss": 1.5, "held_out_loss": None}]},
    }
    assert metrics({}, report) == [
        Point("block/output_error", 0.5, 3),
        Point("recovery/loss", 1.5, 2),
    ]


def test_tasks_are_a_table_with_a_row_for_each_metric() -> None:
    tasks = [{"task": "t", "dense": {"acc": 1.0, "f1": 0.5}, "pruned": {"acc": 0.5}, "items": 4}]
    table = task_table({"tasks": tasks})
    assert table is not None
    assert table["data"] == [["t", "acc", 1.0, 0.5, 4], ["t", "f1", 0.5, None, 4]]
    assert task_table({}) is None
