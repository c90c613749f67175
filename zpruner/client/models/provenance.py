"""The provenance of a job: a statement of its files, and of all that they were made from."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any, Literal

from pydantic import ConfigDict, Field

from zpruner.client.models.jobs import ResponseModel

FILE = "provenance.json"
ENVELOPE = "provenance.intoto.jsonl"
"""The signed statement, if the worker signs."""
MEASURED = frozenset({"report.json"})
"""Files with measured times and memory, which differ between any two runs."""

Outcome = Literal["equal", "different", "missing", "new", "not compared"]


class FileDigest(ResponseModel):
    """The digest of a file."""

    sha256: str


class InputDigest(ResponseModel):
    """The digest of an input; of a model on the hub also its commit."""

    sha256: str | None = None
    commit: str | None = Field(alias="gitCommit", default=None)


class File(ResponseModel):
    """A file of the job."""

    name: str
    digest: FileDigest


class Input(ResponseModel):
    """A file of the model, a text, or the model itself."""

    name: str
    digest: InputDigest


class Specification(ResponseModel):
    """The specification of the job, with all defaults."""

    model_config = ConfigDict(frozen=True, extra="allow")

    model: str


class Definition(ResponseModel):
    """All that decides the bytes of the files, apart from the versions of packages.

    Attributes:
        spec: the specification of the job.
        conditions: the device, the dtype and other facts about the run.
        inputs: the files of the model, its revision if it has one, and the texts.
    """

    spec: Specification = Field(alias="externalParameters")
    conditions: dict[str, Any] = Field(alias="internalParameters", default={})
    inputs: list[Input] = Field(alias="resolvedDependencies")


class Builder(ResponseModel):
    """The software that made the files, with the versions of its packages."""

    version: dict[str, str] = {}


class RunDetails(ResponseModel):
    """Facts about one run, apart from its definition."""

    builder: Builder


class Predicate(ResponseModel):
    """What a statement says about its files."""

    definition: Definition = Field(alias="buildDefinition")
    run: RunDetails = Field(alias="runDetails")


class Statement(ResponseModel):
    """An in-toto statement with SLSA's predicate for provenance.

    Attributes:
        type, predicate_type: the layouts of the statement and its predicate.
        files: the job's files, except for the statement itself and ``SHA256SUMS``, which lists it.
        predicate: how the files were made.
    """

    type: Literal["https://in-toto.io/Statement/v1"] = Field(alias="_type")
    predicate_type: Literal["https://slsa.dev/provenance/v1"] = Field(alias="predicateType")
    files: list[File] = Field(alias="subject")
    predicate: Predicate

    @property
    def digests(self) -> dict[str, str]:
        """The sha256 of each file, by name."""
        return {file.name: file.digest.sha256 for file in self.files}

    @property
    def versions(self) -> dict[str, str]:
        """The versions of Python and of packages."""
        return self.predicate.run.builder.version

    def changes_to_repeat(self, *, with_versions: bool = False) -> dict[str, Any]:
        """Return the fields to change in the specification, so that a new job repeats this one.

        The new job fails if one of its inputs is not the same any more.

        Args:
            with_versions: whether the new job also fails if versions of packages differ.
        """
        definition = self.predicate.definition
        inputs, gate = definition.inputs, definition.conditions.get("gate")
        expect = {
            item.name: item.digest.sha256 for item in inputs if item.digest.sha256 is not None
        }
        if with_versions:
            expect |= {f"version/{name}": version for name, version in self.versions.items()}
        commits = [item.digest.commit for item in inputs if item.digest.commit is not None]
        pinned = {"revision": commits[0]} if commits else {}
        return {"expect": expect} | pinned | ({"gate": gate} if gate else {})


class FileComparison(ResponseModel):
    """One file, with the sha256 that it should have and the one that it has."""

    name: str
    outcome: Outcome
    expected: str | None
    found: str | None

    @property
    def differs(self) -> bool:
        """Whether the file should be the same, and is not."""
        return self.outcome not in {"equal", "not compared"}


def compare_runs(original: Statement, repeated: Statement) -> list[FileComparison]:
    """Compare the files of two runs by their digests."""
    return compare_digests(original.digests, repeated.digests, MEASURED)


def compare_digests(
    expected: Mapping[str, str], found: Mapping[str, str], excluded: Collection[str] = ()
) -> list[FileComparison]:
    """Compare files by their digests, except those in ``excluded``, which only have to exist."""
    comparisons = []
    for name in sorted({*expected, *found}):
        before, after = expected.get(name), found.get(name)
        outcome = _outcome(before, after, is_excluded=name in excluded)
        comparisons.append(FileComparison(name=name, outcome=outcome, expected=before, found=after))
    return comparisons


def _outcome(before: str | None, after: str | None, *, is_excluded: bool) -> Outcome:
    if before is None:
        return "new"
    if after is None:
        return "missing"
    if is_excluded:
        return "not compared"
    return "equal" if before == after else "different"


def changed_conditions(original: Statement, repeated: Statement) -> Iterator[str]:
    """Describe each version, and each other condition of a run, that differs between two runs."""
    before, after = (
        statement.versions | dict(_flat(statement.predicate.definition.conditions))
        for statement in (original, repeated)
    )
    for name in sorted({*before, *after}):
        if before.get(name) != after.get(name):
            yield f"{name} was {before.get(name)} and is now {after.get(name)}"


def _flat(values: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each value of nested objects under its path, with dots between the names."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{path}{name}.")
        else:
            yield path + name, value
