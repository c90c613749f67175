"""The field ``output`` of a specification: the targets that a job's result is sent to."""

import re
from collections.abc import Callable, Mapping
from typing import Annotated, ClassVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from db.spec.inputs.references import SecretName

MOST = 5
"""The largest number of targets of one job."""

HUB_ID = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,95}/[A-Za-z0-9][A-Za-z0-9._-]{0,95}$"
BRANCH = r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,127}$"
BUCKET_URL = r"^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9][A-Za-z0-9._=+@-]*){0,16}/?$"
SERVER_URL = r"^https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[A-Za-z0-9][A-Za-z0-9._-]*){0,16}/?$"
REGION = r"^[a-z0-9-]{1,32}$"
EXPERIMENT = r"^[^\x00-\x1f\x7f]{1,200}$"


def _matching(pattern: str, expected: str) -> Callable[[str], str]:
    def check(value: str) -> str:
        if len(value) > 1024 or re.fullmatch(pattern, value) is None:
            raise PydanticCustomError("output_address", "is not an address", {"expected": expected})
        return value

    return check


def _text(pattern: str, expected: str) -> tuple[AfterValidator, WithJsonSchema]:
    """Return a check against a pattern whose error says in words what is expected."""
    schema = {"type": "string", "pattern": pattern, "maxLength": 1024}
    return AfterValidator(_matching(pattern, expected)), WithJsonSchema(schema)


HubId = Annotated[str, *_text(HUB_ID, "a repository of the hub, such as org/name")]
Branch = Annotated[str, *_text(BRANCH, "a branch, such as main")]
BucketUrl = Annotated[str, *_text(BUCKET_URL, "a bucket, such as s3://bucket/prefix")]
ServerUrl = Annotated[str, *_text(SERVER_URL, "a URL, such as https://mlflow.example")]
Region = Annotated[str, *_text(REGION, "a region, such as eu-central-1")]
Experiment = Annotated[str, *_text(EXPERIMENT, "a name of at most 200 characters")]


class _Target(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class HubOutput(_Target):
    """A model repository on the Hugging Face hub; all files become one commit."""

    kind: ClassVar[str] = "hub"

    hub: HubId = Field(description="The repository, which is created if it does not exist.")
    secret: SecretName = Field(
        description="The name of a secret whose value is a token that may write to it."
    )
    private: StrictBool = Field(
        default=True, description="Whether the repository is private if it is created."
    )
    revision: Branch = Field(
        default="main", description="The branch, which is created if it does not exist."
    )

    @property
    def address(self) -> str:
        """The place that files are sent to; two targets of a job may not have the same."""
        return f"hub:{self.hub}@{self.revision}"


class S3Output(_Target):
    """A bucket; the files are stored below the prefix, in a folder with the job's id."""

    kind: ClassVar[str] = "s3"

    s3: BucketUrl = Field(description="The bucket, and a prefix if the files should have one.")
    secret: SecretName = Field(
        description="The name of a secret whose value is `ACCESS_KEY_ID:SECRET_ACCESS_KEY`."
    )
    endpoint: ServerUrl | None = Field(
        default=None, description="The URL of the service; by default AWS."
    )
    region: Region = Field(default="us-east-1", description="The region of the bucket.")

    @property
    def address(self) -> str:
        """The place that files are sent to, as a URL that the operator can allow."""
        path = self.s3.rstrip("/")
        if self.endpoint is None:
            return path
        return f"{self.endpoint.rstrip('/')}/{path.removeprefix('s3://')}"


class MlflowOutput(_Target):
    """An experiment of an MLflow tracking server; the numbers of the job become one run."""

    kind: ClassVar[str] = "mlflow"

    mlflow: ServerUrl = Field(description="The URL of the tracking server.")
    experiment: Experiment = Field(
        description="The name of the experiment, which is created if it does not exist."
    )
    secret: SecretName | None = Field(
        default=None,
        description="The name of a secret whose value is a token for the server, or `USER:PASSWORD`"
        "; by default the requests have no credentials.",
    )

    @property
    def address(self) -> str:
        """The server and the experiment."""
        return f"{self.mlflow.rstrip('/')}#{self.experiment}"


Target = HubOutput | S3Output | MlflowOutput
KINDS: Mapping[str, type[Target]] = {
    kind.kind: kind for kind in (HubOutput, S3Output, MlflowOutput)
}


def _of_kind(value: object) -> object:
    """Validate an object as the target that its one member ``hub``, ``s3`` or ``mlflow`` names.

    A union would report the errors of all three kinds.
    """
    if isinstance(value, dict):
        named = [kind for name, kind in KINDS.items() if name in value]
        if len(named) == 1:
            return named[0].model_validate(value)
    if isinstance(value, _Target):
        return value
    raise PydanticCustomError("output", "has none of hub, s3 and mlflow")


def _no_two_equal(targets: tuple[Target, ...]) -> tuple[Target, ...]:
    addresses = [target.address for target in targets]
    if twice := next((address for address in addresses if addresses.count(address) > 1), None):
        raise PydanticCustomError(
            "same_outputs", "Two targets are the same: {address}", {"address": twice}
        )
    return targets


Outputs = Annotated[
    tuple[Annotated[Target, BeforeValidator(_of_kind, json_schema_input_type=Target)], ...],
    Field(max_length=MOST, fail_fast=True),
    AfterValidator(_no_two_equal),
]


def parse_target(document: Mapping[str, object]) -> Target:
    """Return the target of a document that was validated before."""
    (kind,) = (kind for name, kind in KINDS.items() if name in document)
    return kind.model_validate(document)
