"""What the API and a worker do with one malformed input, up to the calibration.

Compact files are expanded instead, as on a caller's machine.
"""

import shutil
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from random import Random
from traceback import format_exception

import safetensors
from safetensors.torch import load_file, save_file
from torch import Tensor

from api.core.settings import ApiSettings
from api.preflight.hub import Hub
from api.preflight.preflight import Preflight
from api.preflight.result_folders import ResultFolders
from db.core.problem import Problem
from db.core.session import open_sessions
from db.core.states import Phase
from db.files.stores import open_store, open_uploads
from db.problems.catalogue import CATALOGUE
from db.spec.checkpoint_headers import weight_files
from db.spec.prune_spec import PruneSpec
from tests.fuzz.compact import COMPACT_KINDS, compact_sample, expansion
from tests.fuzz.datasets import DATASET_KINDS, WORDS
from tests.fuzz.guard import Guard
from tests.fuzz.models import MODEL_KINDS, Files
from tests.fuzz.tasks import TASK, TASK_KINDS, write_task
from tests.worker.evaluation.models import write_model_and_tokenizer
from tests.zero_shot import write_tasks
from worker.jobs.problems import problem_of
from worker.jobs.prune import prune
from worker.jobs.resources import Resources
from zpruner.files.weight_files import INDEX, WHOLE

KINDS = (*MODEL_KINDS, *DATASET_KINDS, *TASK_KINDS, *COMPACT_KINDS)
HOSTILE = "open({!r}, 'w').write('ran')\nraise SystemExit\n"
CHAT = b'{"messages": [{"role": "user", "content": "%s"}]}\n' % (WORDS.encode() * 5) * 20
LONGEST_PROBLEM = 4_000


@dataclass(frozen=True)
class Outcome:
    """The outcome of an input.

    Attributes:
        code: the code of the problem that refused it; None if it was accepted.
        faults: everything that must not have happened.
    """

    code: str | None
    faults: list[str]


class World:
    """A folder with a small model, a text, tasks, and files outside that no job may read."""

    def __init__(self, root: Path) -> None:
        self.root, self.outside = root, root / "outside"
        self.outside.mkdir()
        self._model = _model_in_one_file(root / "base")
        self._compact = compact_sample(root)
        self._settings = ApiSettings(
            data_dir=root / "data", model_roots=(root / "cases",), dataset_roots=(root / "cases",)
        )
        (self.outside / WHOLE).write_bytes(self._model[WHOLE])
        for name in ("secret", "secret.json", "secret.yaml"):
            (self.outside / name).write_text('{"text": "secret"}\n')
        (self.outside / "hostile.py").write_text(HOSTILE.format(str(self.outside / "canary")))

    def outcome(self, kind: str, number: int, guard: Guard) -> Outcome:
        """Make an input, pass it to the API and to a worker, and return the outcome."""
        folder = self.root / "cases" / f"{kind}-{number}".replace(" ", "-")
        random = Random(f"{kind} {number}")  # reproducible
        if kind in COMPACT_KINDS:
            guard.begin()
            code, faults = expansion(kind, random, self._compact, folder)
        else:
            spec = self._job(kind, random, folder)
            guard.begin()
            code, faults = self._outcome_of_job(kind, spec, folder)
        faults += guard.found
        shutil.rmtree(folder)
        return Outcome(code, faults)

    def _outcome_of_job(
        self, kind: str, spec: PruneSpec, folder: Path
    ) -> tuple[str | None, list[str]]:
        code, faults = _refusal(lambda: self._check(spec), spec)
        if code is None or kind not in DATASET_KINDS:
            code, more = _refusal(lambda: self._work(spec, folder), spec)
            faults += more
        if code is None and kind in {"header", "index"}:
            faults += _unreadable(folder / "model")
        return code, faults

    def _job(self, kind: str, random: Random, folder: Path) -> PruneSpec:
        """Write the files of an input; return a job that names them."""
        made: Files = {"hostile.py": (self.outside / "hostile.py").read_bytes()}
        suffix, text = ".txt", (WORDS * 80).encode()
        if kind in MODEL_KINDS:
            made |= MODEL_KINDS[kind](random, self._model)
            if kind == "tokenizer_config" and random.random() < 0.5:
                suffix, text = ".jsonl", CHAT
        elif kind in DATASET_KINDS:
            suffix, text = DATASET_KINDS[kind](random)
        write_files(folder / "model", {**self._model, **made})
        (folder / f"data{suffix}").write_bytes(text)
        if kind in TASK_KINDS:
            write_task(random, kind, write_tasks(folder / "tasks"))
        name = folder.name
        small = {"method": "magnitude", "sparsity": 0.5, "samples": 2, "eval_samples": 2}
        names = {"model": f"local:{name}/model", "dataset": f"local:{name}/data{suffix}"}
        tasks = {"tasks": [TASK], "task_limit": 2} if kind in TASK_KINDS else {}
        return PruneSpec.model_validate(small | names | tasks | {"seq_len": 16})

    def _check(self, spec: PruneSpec) -> None:
        hub, sessions = Hub("http://127.0.0.1:9", 1), open_sessions(self._settings.database)
        uploads = open_uploads(self._settings)
        results = ResultFolders(sessions, open_store(self._settings))
        sources = Preflight(self._settings, hub, sessions, uploads, results).check(spec, None)
        sources.need_planner(spec)

    def _work(self, spec: PruneSpec, folder: Path) -> None:
        out, settings = folder / "out", self._settings
        out.mkdir()
        resources = Resources(
            model_roots=settings.model_roots,
            dataset_roots=settings.dataset_roots,
            task_roots=(folder / "tasks",),
            device="cpu",
        )
        with closing(prune(spec, out, resources)) as steps:
            for step in steps:
                if step.phase is Phase.calibrating:
                    return


def _model_in_one_file(folder: Path) -> dict[str, bytes]:
    write_model_and_tokenizer(folder)
    tensors: dict[str, Tensor] = {}
    for shard in folder.glob("*.safetensors"):
        tensors |= load_file(shard)
        shard.unlink()
    save_file(tensors, folder / WHOLE, {"format": "pt"})
    (folder / INDEX).unlink()
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def write_files(folder: Path, files: Files) -> None:
    """Write files and links; leave out those that are None."""
    folder.mkdir(parents=True)
    for name, content in files.items():
        if isinstance(content, Path):
            (folder / name).symlink_to(content)
        elif content is not None:
            (folder / name).write_bytes(content)


def _refusal(act: Callable[[], None], spec: PruneSpec) -> tuple[str | None, list[str]]:
    """Return the code of the problem that an act ends in, and what is wrong with the problem."""
    try:
        act()
    except Exception as error:  # each becomes a problem, as in a worker
        problem = problem_of(error, spec)
        if problem.status >= 500:
            return problem.code, ["".join(format_exception(error, limit=-6))]
        return problem.code, _unclear(problem)
    return None, []


def _unclear(problem: Problem) -> list[str]:
    """Return what a problem lacks: its kind, the field and its value, or a remedy."""
    faults = []
    if problem.code not in CATALOGUE.by_code:
        faults.append(f"the code {problem.code} is not in the catalogue")
    if not problem.errors or not problem.hint:
        faults.append(f"no field or no remedy: {problem}")
    if len(problem.model_dump_json()) > LONGEST_PROBLEM:
        faults.append(f"the problem is too long: {problem.detail[:200]}")
    return faults


def _unreadable(folder: Path) -> list[str]:
    """Return the accepted weights files that the reference reader refuses."""
    faults = []
    for name in weight_files(folder, "model", {path.name for path in folder.iterdir()}):
        try:
            with safetensors.safe_open(folder / name, framework="pt"):
                pass
        except Exception as error:  # the library raises its own
            faults.append(f"{name} was accepted, but safetensors refuses it: {error}")
    return faults
