"""The names of the harness's tasks are found without loading the harness."""

from db.spec.evaluation.harness_tasks import harness_tasks
from db.spec.options.tasks import SUITES


def test_tasks_of_every_suite_and_of_common_groups_and_tags_are_found() -> None:
    found = harness_tasks()
    assert {task for tasks in SUITES.values() for task in tasks} <= found
    assert {"mmlu", "mmlu_stem", "glue", "piqa", "lambada_openai", "leaderboard"} <= found
    assert not {"arc_eazy", "wanda7", "hella_swag"} & found
