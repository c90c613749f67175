"""Both command lines take each field of a job, and no list of the fields is kept by hand."""

import json
import re
from typing import Any, Literal, get_args

import pytest
from pydantic import BaseModel
from typer import BadParameter, Typer
from typer.testing import CliRunner

from api.schemas.requests import JobRequest
from api.schemas.sweep_request import Varied
from db.spec.options.recover import RecoverSpec, RecoveryKind
from db.spec.prune_spec import PruneSpec
from tools.job_fields import written
from worker.standalone.command import app as standalone
from zpruner.cli.commands.main import app
from zpruner.cli.field_options import JOB_FIELDS, options_of, with_fields
from zpruner.cli.option_groups import VARIED, VARIED_LISTS
from zpruner.client.models.job_options import JobOptions

FIELDS = set(PruneSpec.model_fields) - {"model", "expect"}


def test_the_files_made_from_the_fields_are_up_to_date() -> None:
    old = [file.name for file, text in written() if file.read_text("utf-8") != text]
    assert old == [], "run `make generated`"


def test_the_options_of_the_client_are_those_of_a_request() -> None:
    fields = set(JobOptions.__annotations__)
    assert fields == set(JobRequest.model_fields) - {"model", "sparsity", "dataset"}


@pytest.mark.parametrize(
    ("program", "words"),
    [(app, [verb]) for verb in ("submit", "run", "estimate", "sweep")] + [(standalone, [])],
)
def test_every_command_has_an_option_for_each_field(program: Any, words: list[str]) -> None:
    help_text = CliRunner(env={"COLUMNS": "300"}).invoke(program, [*words, "--help-all"]).stdout
    # Of an object that no plain value stands for, each member has an option.
    missing = {
        name for name in FIELDS if not re.search(rf"--{name.replace('_', '-')}[ -]", help_text)
    }
    # Secrets are in the database of a service, which `zpruner prune` does not need.
    assert missing == ({"model_secret", "output"} if program is standalone else set())


def test_a_sweep_varies_the_fields_that_the_service_lets_it_vary() -> None:
    assert {*VARIED, *VARIED_LISTS} == set(get_args(Varied))


def test_options_have_the_types_choices_and_defaults_of_the_fields() -> None:
    options = {one.name: one for one in JOB_FIELDS}
    assert (options["samples"].type, options["damping"].type) == (int, float)
    assert options["propagation"].choices == ("fused", "reference")
    assert (options["seed"].default, options["samples"].default) == ("0", "")
    assert options["skip"].is_repeated
    assert {name for name, one in options.items() if one.is_required} == {"model", "dataset"}
    assert options["allocation"].read("0.4,0.6") == [0.4, 0.6]
    assert options["allocation"].read("owl") == "owl"
    assert options["allocation"].read("owl:0.15") == {"name": "owl", "spread": 0.15}
    assert options["allocation"].pair == ("name", "spread")
    assert "Write name and spread as NAME:SPREAD." in options["allocation"].help


def test_a_list_of_objects_takes_one_as_json() -> None:
    mix = next(one for one in JOB_FIELDS if one.name == "mix")
    text = {"dataset": "wikitext2", "share": 0.3, "text_field": "body"}
    assert mix.read([json.dumps(text), "ptb=0.2"]) == [text, "ptb=0.2"]
    with pytest.raises(BadParameter, match=r"^\{share is not JSON: ") as refused:
        mix.read(["{share"])
    assert refused.value.param_hint == "--mix"
    assert {one.name for one in JOB_FIELDS if one.has_objects} == {"mix", "output"}


def test_the_word_none_alone_is_an_empty_list() -> None:
    options = {one.name: one for one in JOB_FIELDS}
    assert options["mix"].read(["none"]) == options["output"].read(["none"]) == []
    assert options["mix"].read(["none", "ptb=0.5"]) == ["none", "ptb=0.5"]  # the field refuses it
    assert options["mix"].read([""]) == [""]  # as a script sends that has no value


def test_a_field_that_is_a_name_or_an_object_has_an_option_for_each_member() -> None:
    recover = [one for one in JOB_FIELDS if one.name.startswith("recover")]
    names = {one.name: one for one in recover}
    members = RecoverSpec.model_fields.keys() - {"kind"}
    assert names.keys() == {"recover", *(f"recover_{member}" for member in members)}
    assert set(names["recover"].choices) == {*get_args(RecoveryKind), "none"}
    assert (names["recover_tokens"].type, names["recover_tokens"].default) == (int, "262144")
    program, given = Typer(), list[dict[str, Any]]()

    @program.command()
    @with_fields(*recover)
    def command(fields: dict[str, Any]) -> None:
        given.append(fields)

    for words in ("", "--recover spp", "--recover spp --recover-tokens 9"):
        assert CliRunner().invoke(program, words.split()).exit_code == 0
    assert given == [{}, {"recover": "spp"}, {"recover": {"kind": "spp", "tokens": 9}}]


def test_a_member_needs_the_option_of_the_required_one_unless_a_preset_may_set_it() -> None:
    program, given = Typer(), list[dict[str, Any]]()

    @program.command()
    @with_fields(*(one for one in JOB_FIELDS if one.name.startswith(("preset", "recover"))))
    def command(fields: dict[str, Any]) -> None:
        given.append(fields)

    refused = CliRunner().invoke(program, ["--recover-tokens", "9"], env={"COLUMNS": "200"})
    assert refused.exit_code == 2
    assert "--recover: it is required beside --recover-tokens: give masked or" in refused.output
    assert CliRunner().invoke(program, ["--recover-kl", "1", "--preset", "best"]).exit_code == 0
    assert given == [{"recover": {"kl": 1.0}, "preset": "best"}]


def test_a_new_field_needs_nothing_but_its_declaration() -> None:
    class Extended(PruneSpec):
        repeats: int = 3
        is_strict: bool = False

    *_, repeats, is_strict = options_of(Extended.model_json_schema())
    assert (repeats.name, repeats.type, repeats.default) == ("repeats", int, "3")
    assert (is_strict.name, is_strict.type, is_strict.default) == ("is_strict", bool, "")
    program = Typer()
    given: list[dict[str, Any]] = []

    @program.command()
    @with_fields(repeats, is_strict)
    def command(fields: dict[str, Any]) -> None:
        given.append(fields)

    CliRunner().invoke(program, ["--repeats", "4", "--is-strict"])
    CliRunner().invoke(program, [])
    assert given == [{"repeats": 4, "is_strict": True}, {}]


@pytest.mark.parametrize(
    ("words", "fields"),
    [
        (["--refine"], {"refine": True}),
        (
            ["--target-memory", "24 GB", "--target-context", "8192"],
            {"target": {"memory": "24 GB", "context": 8192}},
        ),
        (["--refine", "--refine-steps", "24"], {"refine": {"steps": 24}}),
        (
            ["--refine-scope", "half", "--refine-lr", "1e-4", "--no-refine-norms"],
            {"refine": {"scope": "half", "lr": 1e-4, "norms": False}},
        ),
        (["--refine-norms"], {"refine": {"norms": True}}),
        (["--seed", "3"], {"seed": 3}),
        (["--quantize", "w4a16"], {"quantize": "w4a16"}),
        (
            ["--quantize", "w8a16", "--quantize-group-size", "64", "--quantize-scales", "minmax"],
            {"quantize": {"scheme": "w8a16", "group_size": 64, "scales": "minmax"}},
        ),
        (["--binarize"], {"binarize": True}),
        (
            ["--binarize-kept", "4.4", "--binarize-low", "3"],
            {"binarize": {"kept": 4.4, "low": 3}},
        ),
    ],
)
def test_the_parts_of_an_object_are_options_of_their_own(
    words: list[str], fields: dict[str, Any]
) -> None:
    program, given = Typer(), list[dict[str, Any]]()

    @program.command()
    @with_fields(*(one for one in JOB_FIELDS if not one.is_required))
    def command(fields: dict[str, Any]) -> None:
        given.append(fields)

    result = CliRunner().invoke(program, words)
    assert (result.exit_code, given) == (0, [fields]), result.output


@pytest.mark.parametrize(
    ("field", "value", "part", "number"),
    [
        ("--target", "parameters=6B", "--target-memory", "24GB"),
        ("--vocabulary", "none", "--vocabulary-keep", "10"),
        ("--recover", "none", "--recover-tokens", "1000"),
    ],
)
def test_a_value_without_parts_beside_a_part_is_refused(
    field: str, value: str, part: str, number: str
) -> None:
    words = ["submit", "m", "--dataset", "c4", field, value, part, number]
    refused = CliRunner(env={"COLUMNS": "200"}).invoke(app, words)
    assert refused.exit_code == 2
    assert f"{field} {value} cannot stand beside {part}: give one of the two" in refused.stderr


def test_a_part_that_the_option_of_the_field_sets_has_no_option_of_its_own() -> None:
    class Training(BaseModel):
        kind: Literal["masked", "spp"]
        steps: int = 3
        rate: float | None = None

    class Extended(PruneSpec):
        train: Training | Literal["masked", "spp"] | None = None

    *_, train, steps, rate = options_of(Extended.model_json_schema())
    assert [one.name for one in (train, steps, rate)] == ["train", "train_steps", "train_rate"]
    program, given = Typer(), list[dict[str, Any]]()

    @program.command()
    @with_fields(train, steps, rate)
    def command(fields: dict[str, Any]) -> None:
        given.append(fields)

    CliRunner().invoke(program, ["--train", "spp", "--train-steps", "4"])
    CliRunner().invoke(program, ["--train", "spp"])
    assert given == [{"train": {"kind": "spp", "steps": 4}}, {"train": "spp"}]
