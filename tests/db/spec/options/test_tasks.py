import pytest
from pydantic import ValidationError

from db.core.errors import SpecRefusedError
from db.spec.combination import check_combination
from db.spec.metrics import check_gate
from db.spec.options.tasks import SUITES, task_metrics, tasks_of
from db.spec.prune_spec import PruneSpec
from db.spec.quality_gate import Gate
from tests.factories import make_spec


def test_a_suite_is_replaced_by_its_tasks() -> None:
    assert tasks_of("wanda7") == SUITES["wanda7"]
    assert len(SUITES["wanda7"]) == 7
    assert len(SUITES["zpruner5"]) == 5
    assert tasks_of("boolq") == ("boolq",)


def test_a_gate_may_bound_the_accuracy_of_the_jobs_tasks_and_suites() -> None:
    gate = Gate(min={"acc.wanda7": 0.4}, max={"acc_drop.boolq": 0.02})
    check_gate(gate, make_spec(tasks=["wanda7"]))
    assert "mcnemar_p.boolq" in task_metrics(["wanda7"])
    assert "mcnemar_p.wanda7" not in task_metrics(["wanda7"])


@pytest.mark.parametrize("tasks", [None, ["arc_easy"]])
def test_a_gate_on_a_task_that_is_not_run_is_refused(tasks: list[str] | None) -> None:
    gate = Gate(min={"acc.boolq": 0.4})
    with pytest.raises(SpecRefusedError, match="Add the task to tasks"):
        check_gate(gate, make_spec(tasks=tasks))


def test_a_confidence_for_metrics_without_interval_is_refused() -> None:
    for name in ("acc.boolq", "perplexity_ratio"):
        check_gate(Gate(min={name: 0.4}, confidence=0.95), make_spec(tasks=["boolq"]))
    for name in ("sparsity", "dense_acc.boolq"):
        with pytest.raises(SpecRefusedError, match="no metric that has an interval") as refused:
            check_gate(Gate(max={name: 2.0}, confidence=0.95), make_spec(tasks=["boolq"]))
        assert (refused.value.field, refused.value.value) == ("gate.confidence", 0.95)


def test_a_limit_without_tasks_is_refused() -> None:
    spec = PruneSpec(model="org/model", sparsity=0.5, dataset="c4", task_limit=10)
    with pytest.raises(SpecRefusedError, match="measured on no task"):
        check_combination(spec)


@pytest.mark.parametrize("name", ["../x", "-x", "uploaded:", "a b"])
def test_a_malformed_name_is_refused(name: str) -> None:
    with pytest.raises(ValidationError, match="is not the name of a task"):
        PruneSpec(model="org/model", sparsity=0.5, dataset="c4", tasks=(name,))
