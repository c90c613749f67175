"""The help of commands with the many options of a job."""

import re
import subprocess
import sys
from typing import Any

import pytest
from typer.testing import CliRunner

from worker.standalone.command import app as standalone
from zpruner.cli.commands.main import app
from zpruner.cli.field_options import JOB_FIELDS
from zpruner.cli.option_groups import GROUP_OF, GROUPS, USUAL
from zpruner.cli.requests import REUSE, SUBMISSION

OPTIONS = (*JOB_FIELDS, *SUBMISSION, REUSE)
COMMANDS = [(app, [verb]) for verb in ("submit", "run", "estimate", "sweep", "prune")]
COMMANDS += [(standalone, [])]


def help_of(program: Any, words: list[str], option: str, columns: int = 80) -> str:
    done = CliRunner(env={"COLUMNS": str(columns)}).invoke(program, [*words, option])
    assert done.exit_code == 0, done.output
    return done.stdout


def names_in(text: str) -> set[str]:
    return {name.replace("-", "_") for name in re.findall(r"^  (?:-h, )?--([\w-]+)", text, re.M)}


@pytest.mark.parametrize(("program", "words"), COMMANDS)
def test_help_shows_the_usual_options_alone_and_help_all_shows_the_rest(
    program: Any, words: list[str]
) -> None:
    short, full = (help_of(program, words, option) for option in ("--help", "--help-all"))
    assert names_in(short) & GROUP_OF.keys() <= USUAL
    assert {"sparsity", "dataset", "method", "help_all"} <= names_in(short) < names_in(full)
    assert short.count("\n") < 80
    [more] = re.findall(r"^--help-all shows (\d+) more options\.$", short, re.M)
    assert int(more) == len(names_in(full) - names_in(short))
    assert "more options" not in full


@pytest.mark.parametrize("columns", [40, 80, 200])
@pytest.mark.parametrize(("program", "words"), COMMANDS)
def test_no_name_of_an_option_is_shortened(program: Any, words: list[str], columns: int) -> None:
    text = help_of(program, words, "--help-all", columns)
    assert "…" not in text
    assert {"rank_answers_questions", "eval_text_field"} <= names_in(text)


def test_every_option_of_a_job_is_in_a_group_and_the_usual_ones_are_ten() -> None:
    assert {one.part_of or one.name for one in OPTIONS if not one.is_argument} == GROUP_OF.keys()
    assert sum(map(len, GROUPS.values())) == len(GROUP_OF)
    assert len(USUAL) == 10
    assert GROUP_OF.keys() > USUAL


def test_long_lists_of_choices_are_in_the_text_where_lines_can_break() -> None:
    text = help_of(app, ["submit"], "--help")
    assert "--method NAME" in text
    assert re.search(r"One\s+of\s+zpruner,", text)
    assert "--preset fast|balanced|best" in text


def test_help_of_prune_and_submit_imports_neither_torch_nor_the_service() -> None:
    code = (
        "import sys; from contextlib import suppress; from zpruner.cli.commands.main import app\n"
        "with suppress(SystemExit): app([sys.argv[1], '--help'])\n"
        "print(*{name.split('.')[0] for name in sys.modules})"
    )
    for verb in ("prune", "submit"):
        done = subprocess.run(
            [sys.executable, "-c", code, verb], capture_output=True, text=True, check=True
        )
        loaded = set(done.stdout.splitlines()[-1].split())
        assert not loaded & {"torch", "transformers", "sqlalchemy", "celery", "db", "worker"}


def test_prune_reports_a_wrong_option_before_it_starts_the_program() -> None:
    done = CliRunner().invoke(app, ["prune", "a", "b", "--dataset", "c", "--sparsty", "0.5"])
    assert done.exit_code == 2
    assert "--sparsity" in done.output
