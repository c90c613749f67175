from db.spec.sorted_metrics import sorted_metrics


def test_a_job_is_sorted_by_the_mean_accuracy_of_the_tasks_that_it_names() -> None:
    metrics = {
        "sparsity": 0.5,
        "pruned_perplexity": 9.5,
        "acc": {"boolq": 0.5, "rte": 0.75, "wanda7": 0.25},
        "speed": {"decode_ratio": 1.25, "prefill_ratio": 2.0},
        "weights_bytes": 700,
    }
    assert sorted_metrics(metrics, ["wanda7", "rte"]) == {
        "reduction": 0.5,
        "perplexity": 9.5,
        "perplexity_ratio": None,
        "accuracy": 0.5,
        "speed": 1.25,
        "weights_bytes": 700.0,
    }


def test_a_job_without_tasks_has_no_accuracy() -> None:
    assert set(sorted_metrics({}, []).values()) == {None}
