"""The option ``--output``: targets as JSON, or in a short form."""

import re
from typing import Any

import typer

from zpruner.cli.values import read_object

FORMS = (
    "hub:ORG/NAME@SECRET, s3://BUCKET/PREFIX@SECRET, mlflow:URL#EXPERIMENT or "
    "mlflow:URL#EXPERIMENT@SECRET"
)
HELP = f"Where the result is sent: {FORMS}; or a target as JSON. May be repeated."
HUB = re.compile(r"hub:(?P<hub>[^@]+)@(?P<secret>[^@]+)")
BUCKET = re.compile(r"(?P<s3>s3://[^@]+)@(?P<secret>[^@]+)")
MLFLOW = re.compile(r"mlflow:(?P<mlflow>[^#]+)#(?P<experiment>[^@]+)(@(?P<secret>[^@]+))?")


def read_output(text: str) -> dict[str, Any]:
    """Read one target.

    Raises:
        BadParameter: the text has none of the forms; the service checks the values.
    """
    if text.startswith("{"):
        return read_object(text, "--output")
    for form in (HUB, BUCKET, MLFLOW):
        if match := form.fullmatch(text):
            return {name: value for name, value in match.groupdict().items() if value is not None}
    if text.startswith(("hub:", "s3://")) and "@" not in text:
        meaning = "with the name under which `zpruner secrets set` has stored the target's key"
        raise _refused(f"{text} lacks its secret: write {text}@SECRET, {meaning}")
    if text.startswith("mlflow:") and "#" not in text:
        raise _refused(f"{text} lacks its experiment: write {text}#EXPERIMENT")
    raise _refused(f"{text} has none of the forms {FORMS}, and is no JSON object")


def _refused(reason: str) -> typer.BadParameter:
    return typer.BadParameter(reason, param_hint="--output")
