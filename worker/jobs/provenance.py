"""The provenance of a job: a statement of its files, and of everything that they depend on.

Its layout is an in-toto statement (https://in-toto.io/Statement/v1) with SLSA's predicate for
provenance (https://slsa.dev/provenance/v1).
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from db.files.sealed_folder import CHECKSUMS, KnownDigest, files_to_publish, sha256_of
from db.spec.inputs.bucket_references import S3
from db.spec.options.evaluation import TEXT_METRICS
from db.spec.options.expect import CALIBRATION, EVALUATION, KEEP, SEARCH_START, VOCABULARY
from db.spec.options.mix import GENERATED
from db.spec.options.vocabulary import FIELD
from worker import pruning, recovery, vocabulary
from worker.jobs.inputs import JobInputs, versions
from worker.jobs.opened_job import OpenedJob
from worker.jobs.signature import ENVELOPE
from worker.pruning.base.compute import dtype_name
from worker.pruning.sweep.fingerprint import code_digest, device_properties

FILE = "provenance.json"
PROJECT = "https://github.com/z-pruner/z-pruner"


@dataclass(frozen=True)
class Run:
    """The run that a statement describes.

    Attributes:
        inputs: the job's inputs, as they were when the run started.
        setting: the setting of the sweep.
        report: all measurements, as in ``report.json``.
        started: when the run started. A run that continued an earlier one started later.
    """

    job: OpenedJob
    inputs: JobInputs
    setting: Mapping[str, Any]
    report: Mapping[str, Any]
    started: datetime


def write_statement(out: Path, digests: Mapping[str, KnownDigest], run: Run) -> Path:
    """Write the statement about all other files in ``out``, and return its path.

    Its envelope and the file of checksums are written later, because they hold or list it.

    Args:
        out: the folder with the job's files.
        digests: digests that are known, by the file's name; other files are read.
        run: the run that wrote the files.
    """
    statement = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": list(_subjects(out, digests)),
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {"buildDefinition": _definition(run), "runDetails": _details(run)},
    }
    (out / FILE).write_text(json.dumps(statement, indent=2) + "\n")
    return out / FILE


def _subjects(out: Path, digests: Mapping[str, KnownDigest]) -> Iterator[dict[str, Any]]:
    for path in files_to_publish(out):
        name = path.relative_to(out).as_posix()
        if name not in {FILE, ENVELOPE, CHECKSUMS}:  # left of an interrupted publication
            with path.open("rb") as file:
                yield _resource(name, sha256=sha256_of(file, digests.get(name)))


def _definition(run: Run) -> dict[str, Any]:
    """Return all that decides the bytes of the result, apart from the versions of packages."""
    job, names = run.job, run.inputs.names
    codes = (pruning, recovery, vocabulary)
    packages = {package.__name__: Path(package.__path__[0]) for package in codes}
    return {
        "buildType": f"{PROJECT}/blob/main/docs/provenance.md",
        "externalParameters": _named(job.spec.model_dump(mode="json", exclude={"output"}), names),
        "internalParameters": {
            "device": device_properties(job.devices[0]),
            "devices": len(job.devices),
            "dtype": dtype_name(job.meta_model.dtype),
            "setting": run.setting,
            **({"quantization": asdict(job.scheme)} if job.scheme else {}),
            **_gate(job),
            "code_sha256": {name: code_digest(path) for name, path in packages.items()},
        },
        "resolvedDependencies": [
            *_origin(job),
            *(_resource(name, sha256=digest) for name, digest in run.inputs.model.items()),
            *_calibration_texts(job, names),
            *_keep_text(job, names),
            *_vocabulary_text(job, names),
            *_search_start(job, names),
            _text(
                EVALUATION,
                job.windows.evaluation.provenance,
                names.get("eval_dataset", names["dataset"]),
            ),
        ],
    }


def _named(spec: dict[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """Return a specification with these names of its model and its texts."""
    for path, name in names.items():
        *outer, field = path.split(".")
        part: Any = spec
        for key in outer:
            part = part[_key(part, key)]
        part[_key(part, field)] = name
    return spec


def _key(part: Any, name: str) -> int | str:
    return int(name) if isinstance(part, list) else name


def _gate(job: OpenedJob) -> dict[str, Any]:
    """Return the gate, if it can end the job before its last step."""
    gate = job.resources.gate
    if gate is None or (job.spec.steps or 1) == 1:
        return {}
    return {"gate": gate.model_dump(mode="json")}


def _details(run: Run) -> dict[str, Any]:
    times = {"startedOn": run.started, "finishedOn": datetime.now(UTC)}
    metadata = {name: f"{time:%Y-%m-%dT%H:%M:%SZ}" for name, time in times.items()}
    if (job_id := run.job.resources.job_id) is not None:
        metadata["invocationId"] = job_id
    # Without the names of local files; the protocol is among the dependencies.
    named = {"protocol", *TEXT_METRICS}
    metrics = {name: value for name, value in run.report["metrics"].items() if name not in named}
    return {
        "builder": {"id": PROJECT, "version": versions()},
        "metadata": metadata,
        "zpruner_metrics": metrics,
    }


def _origin(job: OpenedJob) -> Iterator[dict[str, Any]]:
    """Yield where the model came from, for one that is not local."""
    model, result = job.model, job.resources.result
    if result is not None:
        # Without a digest of its own: the files have theirs, and so has SHA256SUMS of all files.
        facts = {"SHA256SUMS": result.checksums_sha256, **result.lineage}
        yield _resource("model") | {"uri": model.name, "annotations": facts}
    elif model.revision is not None:
        uri = f"pkg:huggingface/{model.name}@{model.revision}"
        yield _resource("model", gitCommit=model.revision) | {"uri": uri}
    elif model.name.startswith(S3):  # objects have no revision; its files have digests
        yield _resource("model") | {"uri": model.name}


def _calibration_texts(job: OpenedJob, names: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """Yield the calibration text, or the mix and then each of its texts."""
    provenance = dict(job.windows.calibration.provenance)
    sources = provenance.pop("sources", [])
    further = [f"mix.{place}.dataset" for place in range(len(sources) - 1)]
    shown = [names.get(field, GENERATED) for field in ("dataset", *further)]
    yield _text(CALIBRATION, provenance, " + ".join(shown))
    for place, source in enumerate(sources):
        yield _text(f"{CALIBRATION}/{place}", source, shown[place])


def _keep_text(job: OpenedJob, names: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    if (keep := job.windows.keep) is not None:
        yield _text(KEEP, keep.provenance, names["keep_dataset"])


def _vocabulary_text(job: OpenedJob, names: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    if (vocabulary := job.vocabulary) is not None:
        yield _text(VOCABULARY, vocabulary.text, names[FIELD])


def _search_start(job: OpenedJob, names: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    if (start := job.resources.search_start) is not None:
        facts = {"annotations": {SEARCH_START: names[SEARCH_START]}}
        yield _resource(SEARCH_START, sha256=start.sha256) | facts


def _text(name: str, provenance: Mapping[str, Any], dataset: str) -> dict[str, Any]:
    facts = dict(provenance) | {"dataset": dataset}
    return _resource(name, sha256=facts.pop("dataset_sha256")) | {"annotations": facts}


def _resource(name: str, **digest: str) -> dict[str, Any]:
    return {"name": name, "digest": digest}
