"""Schemas of callers' secrets; no response has a value."""

from datetime import datetime
from typing import Annotated, Self

from pydantic import BaseModel, Field, Secret, StringConstraints

from api.schemas.fields import RequestModel
from db.spec.inputs.references import SecretName
from db.tables.caller_secrets import CallerSecret

# The characters that RFC 6750 allows in a bearer token, and the colon between a name and a
# password. A shorter value could not be removed from logs without removing other text as well.
SecretText = Annotated[
    str, StringConstraints(min_length=8, max_length=4096, pattern=r"^[A-Za-z0-9._~+/=:-]*$")
]


class SecretChange(RequestModel):
    """The value of a secret."""

    value: Secret[SecretText] = Field(
        description="The value, such as a token of the model hub; no response contains it.",
        examples=["hf_the-token-of-the-hub"],
    )


class SecretRequest(SecretChange):
    """A new secret."""

    name: SecretName = Field(description="The name by which jobs use it.")


class SecretRead(BaseModel):
    """A secret without its value."""

    name: str
    created_by: str | None = Field(
        description="The key that it belongs to; null for all callers without a key."
    )
    created_at: datetime
    replaced_at: datetime | None = Field(description="When its value was last replaced.")
    last_used_at: datetime | None

    @classmethod
    def of(cls, row: CallerSecret) -> Self:
        return cls(
            name=row.name,
            created_by=row.created_by or None,
            created_at=row.created_at,
            replaced_at=row.replaced_at,
            last_used_at=row.last_used_at,
        )
