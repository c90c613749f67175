"""Types of job labels in requests and settings."""

from typing import Annotated

from pydantic import StringConstraints

# PostgreSQL cannot store NUL, and other control characters break terminals and logs.
Label = Annotated[str, StringConstraints(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]
MAX_LABELS = 32
LABEL_NAME = r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,62}$"
LabelName = Annotated[str, StringConstraints(pattern=LABEL_NAME)]
