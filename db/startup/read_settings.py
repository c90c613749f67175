"""Reads settings, and describes each one that is not valid."""

from typing import TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from db.core.redaction import redact
from db.startup.connection_settings import ConnectionSettings
from db.startup.env_file import read_env_file
from db.startup.setting_names import PREFIX, unknown_names

SettingsT = TypeVar("SettingsT", bound=ConnectionSettings)


class SettingsError(Exception):
    """The settings are not valid; the message has a line for each error."""


def read_settings(kind: type[SettingsT], **given: object) -> SettingsT:
    """Read settings from the environment and the file of settings; arguments take precedence.

    Raises:
        SettingsError: a value is not valid, there is no setting for one of the ``ZPRUNER_*``
            variables, or the file cannot be read.
    """
    errors: list[str] = []
    try:
        read_env_file()
        errors += unknown_names()
        settings = kind.model_validate(given)
    except ValidationError as error:
        # A value of a union type has an error for each member; keep one line for each setting.
        first = {detail["loc"][0]: detail for detail in reversed(error.errors())}
        raise SettingsError("\n".join([*errors, *map(_value_line, first.values())])) from None
    except (OSError, ValueError) as error:
        raise SettingsError(f"The file of settings cannot be used: {error}.") from None
    if errors:
        raise SettingsError("\n".join(errors))
    return settings


def _value_line(error: ErrorDetails) -> str:
    name = str(error["loc"][0]).upper()
    name = name if name.startswith("HF_") else PREFIX + name
    why = error["msg"].removeprefix("Value error, ").rstrip(".")
    return redact(
        f"{name}={error['input']}: {why}. Correct it, in the environment or in .env, or "
        "remove it for the default (docs/settings.md)."
    )
