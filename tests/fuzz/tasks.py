"""Malformed task files of the LM Evaluation Harness."""

from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random
from typing import Any

import yaml

from tests.fuzz.damage import ODD, OUTSIDE, damaged_bytes, damaged_json

TASK = "sums"
"""The task that the job names."""
CODE = (
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ cycler.__init__.__globals__.os.system('true') }}",
    "{{ question.__class__ }}",
    "{{ question|attr('_' ~ '_class_' ~ '_') }}",
    "{{ self._TemplateReference__context }}",
    "{{ 'x' * 10 ** 11 }}",
    "{{ range(10 ** 9)|list }}",
    "{% for",
    "{% include '/etc/passwd' %}",
    "{{ missing.part }}",
    "{{ question() }}",
)
FUNCTIONS = ("hostile.run", "os.system", "subprocess.run", "builtins.exec", "x", "")
TEMPLATED = ("doc_to_text", "doc_to_choice", "doc_to_target", "description")
ADDITIONS: Mapping[str, Any] = {
    "metric_list": [{"metric": f"{OUTSIDE}/hostile"}],
    "dataset_path": f"{OUTSIDE}/hostile",
    "dataset_name": OUTSIDE,
    "dataset_kwargs": {"data_files": {"test": f"{OUTSIDE}/lost.json"}},
    "include": f"{OUTSIDE}/secret.yaml",
    "class": "hostile.Task",
    "custom_dataset": "hostile.rows",
    "process_docs": "hostile.rows",
    "process_results": "hostile.rows",
    "use_prompt": "promptsource:*",
    "filter_list": [{"name": "a", "filter": [{"function": "hostile"}]}],
    "fewshot_config": {"sampler": "hostile", "samples": "hostile.rows"},
    "num_fewshot": 10**9,
    "output_type": "generate_until",
    "unsafe_code": True,
    "repeats": 10**9,
    "test_split": "train",
    "validation_split": 5,
    "metadata": 5,
    "tag": [["a"]],
    "gen_prefix": "{{ 1 / 0 }}",
}


def tagged(random: Random, task: dict[str, Any]) -> str:
    """Name a function in place of a value."""
    key = random.choice((*TEMPLATED, "process_docs", "class", "custom_dataset", "test_split"))
    plain = yaml.safe_dump({name: task[name] for name in task if name != key})
    tag = random.choice(("!function", "!function", "!!python/name:", "!!python/object/apply:"))
    return f"{plain}{key}: {tag} {random.choice(FUNCTIONS)}\n"


def templated(random: Random, task: dict[str, Any]) -> str:
    """Put code into a template."""
    return yaml.safe_dump(task | {random.choice(TEMPLATED): random.choice(CODE)})


def added(random: Random, task: dict[str, Any]) -> str:
    """Add or replace fields."""
    names = random.sample(sorted(ADDITIONS), random.choice((1, 1, 2)))
    kwargs = {"dataset_kwargs": task["dataset_kwargs"] | {random.choice(_ARGUMENTS): OUTSIDE}}
    more = {name: ADDITIONS[name] for name in names}
    return yaml.safe_dump(task | random.choice((more, more, more, kwargs)))


_ARGUMENTS = ("cache_dir", "data_dir", "trust_remote_code", "token", "features", "split", "x")


def linked(random: Random, task: dict[str, Any]) -> str:
    """Include files and name groups, in cycles and out of the folder."""
    file, group = f"{TASK}.yaml", {"group": TASK}
    made: dict[str, Any] = random.choice(
        (
            task | {"include": file},
            task | {"include": random.choice((5, ["lost.yaml"], "/etc/passwd", "", {}, [[]]))},
            task | {"include": "hostile.py"},
            group | {"task": [TASK]},
            group | {"task": [{"group": TASK, "task": [TASK]}]},
            group | {"task": [random.choice((5, None, {}, ["a"], {"task": 5}))]},
            group | {"task": random.choice(("parity", 5, {}, None))},
            group | {"task": ["parity", {"task": "parity", "doc_to_text": random.choice(CODE)}]},
            {"task": "a", "tag": TASK, "include": file},
        )
    )
    return yaml.safe_dump(made)


def aliased(random: Random, task: dict[str, Any]) -> str:
    """Grow by aliases, nest deeply, or contain itself."""
    levels = "".join(
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9) if n else 'x'}]\n" for n in range(12)
    )
    depth = random.choice((50, 5_000, 100_000))
    odd = (levels, "a: &a [*a]\n", f"a: {'[' * depth}{']' * depth}\n", f"a: {'[' * depth}\n")
    merged = f"metric_list: &m [*m]\n{random.choice(odd)}"
    return yaml.safe_dump(task) + random.choice((*odd, merged, "<<: 5\n", "? [a]\n: 1\n"))


def damaged(random: Random, task: dict[str, Any]) -> str | bytes:
    """Replace values, or change bytes."""
    if random.random() < 0.3:
        return damaged_bytes(random, yaml.safe_dump(task).encode())
    odd = [one for one in ODD if not isinstance(one, str) or one.isprintable()]
    return yaml.dump(damaged_json(random, task, odd))


TASK_KINDS: Mapping[str, Callable[[Random, dict[str, Any]], str | bytes]] = {
    "task function": tagged,
    "task template": templated,
    "task field": added,
    "task reference": linked,
    "task alias": aliased,
    "task damage": damaged,
}


def write_task(random: Random, kind: str, folder: Path) -> None:
    """Replace the file of `TASK` in a folder that `write_tasks` has written."""
    path = folder / f"{TASK}.yaml"
    made = TASK_KINDS[kind](random, yaml.safe_load(path.read_text()))
    path.write_bytes(made if isinstance(made, bytes) else made.encode("utf-8", "surrogatepass"))
