from typing import Any

import pytest
from fastapi.testclient import TestClient

from db.spec.pruning.presets import resolve_preset


def test_the_methods_are_sent_once_to_a_client_that_keeps_their_etag(client: TestClient) -> None:
    first = client.get("/v1/methods")
    again = client.get("/v1/methods", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    assert client.get("/v1/methods", headers={"if-none-match": '"other"'}).json() == first.json()


def test_one_preset_is_recommended_and_the_form_knows_which_fields_a_method_has(
    client: TestClient,
) -> None:
    answer = client.get("/v1/methods").json()
    assert [one["name"] for one in answer["presets"] if one["recommended"]] == ["balanced"]
    options, *others = (one["options"] for one in answer["data"])
    assert not any("x-first" in other for other in others)  # what depends on no method is sent once
    amounts = ["sparsity", "ratio", "target", "experts", "pattern"]
    assert options["x-first"] == ["model", "dataset", *amounts, "preset"]
    assert options["x-only-with"]["selection"] == {"method": ["experts", "neurons"]}
    assert options["x-only-with"]["prompts"] == {"generate": []}
    assert "neurons" not in options["x-only-with"]["sparsity"]["method"]


@pytest.mark.parametrize(
    ("beside", "left_out"),
    [
        ({}, set()),
        ({"method": "wanda"}, set()),
        ({"pattern": "2:4"}, {"allocation"}),
        ({"ratio": 0.25}, {"allocation"}),
        ({"method": "neurons"}, {"allocation"}),
        ({"method": "depth"}, {"allocation"}),
        ({"method": "experts"}, {"allocation", "recover", "mix"}),
    ],
)
def test_the_form_knows_what_a_preset_leaves_out_beside_other_fields(
    client: TestClient, beside: dict[str, Any], left_out: set[str]
) -> None:
    best = client.get("/v1/methods").json()["presets"][-1]
    assert set(best["fields"]) - set(resolve_preset({"preset": "best"} | beside)) == left_out
    assert left_out == {
        field
        for field, rules in best["left_out"].items()
        for other in rules.keys() & beside
        if beside[other] in (rules[other] or [beside[other]])
    }
