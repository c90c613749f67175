"""The ``AWS_*`` variables of ``.env``, for checks in this process and in its children."""

import os

from dotenv import dotenv_values


def read_aws_variables() -> None:
    """Set the ``AWS_*`` variables of ``.env`` that the environment does not set already.

    The library that uses them reads only the environment.
    """
    for name, value in dotenv_values(".env").items():
        if value and name.startswith("AWS_"):
            os.environ.setdefault(name, value)
