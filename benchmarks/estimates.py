"""Compare estimated and measured times of jobs: `python -m benchmarks.estimates MODEL TEXT`.

A service runs twelve kinds of jobs on a small local model, each right after its estimate. The
service's first estimates are corrected by no job; with `--rounds 2`, those of the second round are
corrected by the jobs of the first one.
"""

import argparse
import json
import os
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.machine import machine
from benchmarks.services import serving
from zpruner import Client, ProblemError
from zpruner.client.models.planning import Estimate

RESULTS = Path(__file__).parent / "results"
ATTEMPTS = 10
SIZE: dict[str, Any] = {"samples": 16, "eval_samples": 16, "seq_len": 128}
_REMOVED: dict[str, Any] = {"sparsity": 0.0, "ratio": 0.25}
KINDS: dict[str, dict[str, Any]] = {
    "scores": {"method": "wanda"},
    "2:4": {"pattern": "2:4"},
    "SparseGPT": {"method": "sparsegpt"},
    "ADMM, corrected": {"solver": "admm"},
    "ADMM, refined": {"preset": "balanced"},
    "OWL": {"method": "wanda", "allocation": "owl"},
    "recovered": {"recover": {"kind": "masked", "tokens": 8192}},
    "4 bits": {"quantize": {"scheme": "w4a16", "group_size": 32}, "skip": ["*.down_proj"]},
    "in four steps": {"steps": 4},
    "neurons": {"method": "neurons"} | _REMOVED,
    "depth": {"method": "depth"} | _REMOVED,
    "adapt": {"method": "adapt"} | _REMOVED,
}


@dataclass(frozen=True)
class Comparison:
    """A job's estimated and measured seconds.

    Attributes:
        round, kind: the round, and a name in `KINDS`.
        load: the mean number of processes that ran or waited in the last minute, as the job began.
        p50, p90: the estimate.
        seconds: how long the job has run.
        warnings: those of the estimate.
    """

    round: int
    kind: str
    load: float
    p50: float
    p90: float
    seconds: float
    warnings: tuple[str, ...]

    @property
    def ratio(self) -> float:
        """The estimate over the measured time."""
        return self.p50 / self.seconds


def main() -> None:
    """Measure and print each comparison; with `--write`, also write them to `results`."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.estimates", description=__doc__)
    parser.add_argument("model", type=Path, help="a small model's folder")
    parser.add_argument("text", type=Path, help="a text file")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--only", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--write", metavar="NAME", help="write results/estimates-NAME.json and .md")
    given = parser.parse_args()
    found = _measured(given)
    if given.write:
        report = {"machine": machine(), "estimates": [asdict(one) for one in found]}
        file = RESULTS / f"estimates-{given.write}.json"
        file.write_text(json.dumps(report, indent=1) + "\n")
        file.with_suffix(".md").write_text(_markdown(found))


def _measured(given: argparse.Namespace) -> list[Comparison]:
    roots = {
        "ZPRUNER_MODEL_ROOTS": str(given.model.resolve().parent),
        "ZPRUNER_DATASET_ROOTS": str(given.text.resolve().parent),
    }
    found = []
    with (
        tempfile.TemporaryDirectory() as folder,
        serving(Path(folder), ZPRUNER_DEVICE="cpu", **roots) as url,
        Client(url) as client,
    ):
        for number in range(1, given.rounds + 1):
            for kind in given.only:
                found.append(_compared(client, number, kind, given))
                print(_row(found[-1]), flush=True)
    return found


def _compared(client: Client, number: int, kind: str, given: argparse.Namespace) -> Comparison:
    spec = {"sparsity": 0.5, "seed": number} | SIZE | KINDS[kind]
    names = f"local:{given.model.name}", spec.pop("sparsity"), f"local:{given.text.name}"
    load = os.getloadavg()[0]
    estimate = _estimated(client, *names, **spec)
    if estimate.seconds is None:
        raise SystemExit(f"no time was estimated of {kind}")
    job = client.jobs.wait(client.jobs.create(*names, **spec).id)
    if job.status != "succeeded" or job.seconds is None:
        raise SystemExit(f"{kind} is {job.status}: {job.error}")
    seconds = estimate.seconds
    warnings = tuple(estimate.warnings)
    return Comparison(number, kind, load, seconds.p50, seconds.p90, job.seconds, warnings)


def _estimated(client: Client, *names: Any, **spec: Any) -> Estimate:
    """Return an estimate, for which a busy machine may need several attempts."""
    for _ in range(ATTEMPTS):
        try:
            return client.estimate(*names, **spec)
        except ProblemError as error:
            if not error.problem.retryable:
                raise
            print(f"again: {error.problem.detail}", file=sys.stderr, flush=True)
    raise SystemExit(f"no estimate after {ATTEMPTS} attempts")


def _markdown(found: list[Comparison]) -> str:
    where = ", ".join(f"{name} {value}" for name, value in machine().items())
    header = "| round | kind | load | p50 | p90 | seconds | p50 over them | warnings |"
    rule = "|---:|---|---:|---:|---:|---:|---:|---|"
    return "\n".join([header, rule, *map(_row, found), "", f"Measured on: {where}.", ""])


def _row(one: Comparison) -> str:
    return (
        f"| {one.round} | {one.kind} | {one.load:.1f} | {one.p50:.1f} | {one.p90:.1f} "
        f"| {one.seconds:.1f} | {one.ratio:.2f} | {' '.join(one.warnings)} |"
    )


if __name__ == "__main__":
    main()
