"""Globs of layers' names."""

from typing import Annotated

from pydantic import Field

# PostgreSQL cannot store NUL, and the pattern rejects unpaired surrogates as well.
Glob = Annotated[str, Field(max_length=512, pattern=r"^[^\x00-\x1f\x7f]*$")]
