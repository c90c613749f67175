"""How the statements of two runs compare."""

from typing import Any

from zpruner.client.models.provenance import Statement, changed_conditions, compare_runs


def statement(files: dict[str, str], threads: int = 2, **versions: str) -> Statement:
    model = {"name": "model", "digest": {"gitCommit": "c0ffee"}}
    config = {"name": "model/config.json", "digest": {"sha256": "12"}}
    document: dict[str, Any] = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": name, "digest": {"sha256": one}} for name, one in files.items()],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {
                "externalParameters": {"model": "org/model"},
                "internalParameters": {"device": {"type": "cpu", "threads": threads}},
                "resolvedDependencies": [model, config],
            },
            "runDetails": {"builder": {"version": versions}},
        },
    }
    return Statement.model_validate(document)


def test_every_file_is_compared_but_those_with_measured_times() -> None:
    first = statement({"a": "1", "b": "1", "gone": "1", "report.json": "1"})
    second = statement({"a": "1", "b": "2", "new": "1", "report.json": "2"})
    found = {one.name: (one.outcome, one.differs) for one in compare_runs(first, second)}
    assert found == {
        "a": ("equal", False),
        "b": ("different", True),
        "gone": ("missing", True),
        "new": ("new", True),
        "report.json": ("not compared", False),
    }


def test_a_repeated_job_is_pinned_to_the_commit_the_files_and_on_request_the_versions() -> None:
    made = statement({}, torch="2.13.0")
    expect = {"model/config.json": "12"}
    assert made.changes_to_repeat() == {"revision": "c0ffee", "expect": expect}
    strict = made.changes_to_repeat(with_versions=True)
    assert strict["expect"] == expect | {"version/torch": "2.13.0"}


def test_a_gate_that_could_end_a_gradual_job_is_repeated() -> None:
    gate = {"max": {"perplexity_ratio": 1.1}, "min": {}, "confidence": None}
    document = statement({}).model_dump(by_alias=True)
    document["predicate"]["buildDefinition"]["internalParameters"]["gate"] = gate
    assert Statement.model_validate(document).changes_to_repeat()["gate"] == gate


def test_versions_and_other_conditions_that_differ_are_described() -> None:
    before, after = statement({}, torch="2.12.0", python="3.11"), statement({}, 4, torch="2.13.0")
    assert list(changed_conditions(before, after)) == [
        "device.threads was 2 and is now 4",
        "python was 3.11 and is now None",
        "torch was 2.12.0 and is now 2.13.0",
    ]
