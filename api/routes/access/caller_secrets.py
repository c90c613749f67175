"""Routes of callers' secrets: their names can be read, their values only be set."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from api.core.caller import Caller, CallerDep
from api.middleware.writers import WritingRoute
from api.routes.dependencies import ServiceDep
from api.schemas.caller_secrets import SecretChange, SecretRead, SecretRequest
from api.schemas.pages import Page
from db.access.caller_secrets import SecretRepository
from db.core.access_errors import SecretNotFoundError
from db.core.ids import id_pattern
from db.spec.inputs.references import SecretName
from db.tables.access import AccessScope

router = APIRouter(prefix="/v1/secrets", tags=["access"], route_class=WritingRoute)

WITHOUT_KEY = "none"
NamePath = Annotated[SecretName, Path(examples=["hf-llama"])]


@router.post("", status_code=201)
def create_secret(
    body: SecretRequest, caller: CallerDep, service: ServiceDep, response: Response
) -> SecretRead:
    """Store a new secret for jobs of the caller's key; an existing one is not replaced."""
    with service.sessions.begin() as session:
        secret = SecretRepository(session).create(
            body.name, body.value.get_secret_value(), caller.key_id, service.read_cipher()
        )
    response.headers["location"] = f"/v1/secrets/{secret.name}"
    return SecretRead.of(secret)


@router.put("/{name}", responses={201: {"model": SecretRead, "description": "The secret is new."}})
def set_secret(
    name: NamePath,
    body: SecretChange,
    caller: CallerDep,
    service: ServiceDep,
    response: Response,
) -> SecretRead:
    """Replace the value of a secret, or store a new one; running jobs keep what they have read."""
    with service.sessions.begin() as session:
        secret, is_new = SecretRepository(session).set(
            name, body.value.get_secret_value(), caller.key_id, service.read_cipher()
        )
    response.status_code = 201 if is_new else 200
    return SecretRead.of(secret)


@router.get("")
def list_secrets(caller: CallerDep, service: ServiceDep) -> Page[SecretRead]:
    """List the secrets of the caller's key, by name; for an admin, those of all keys."""
    with service.sessions() as session:
        secrets = SecretRepository(session)
        shown = secrets.all() if _is_admin(caller) else secrets.of(caller.key_id)
    return Page(data=[SecretRead.of(secret) for secret in shown])


@router.delete("/{name}", status_code=204)
def delete_secret(
    name: NamePath,
    caller: CallerDep,
    service: ServiceDep,
    key: Annotated[
        str | None,
        Query(
            pattern=f"^({WITHOUT_KEY}|{id_pattern('key')})$",
            description="The key that the secret belongs to, or `none` for callers without a key; "
            "by default the caller's own. Only an admin can name another one.",
        ),
    ] = None,
) -> None:
    """Delete a secret. Jobs that name it and have not read it yet will fail."""
    owner = {None: caller.key_id, WITHOUT_KEY: None}.get(key, key)
    if owner != caller.key_id and not _is_admin(caller):
        raise SecretNotFoundError(name)
    with service.sessions.begin() as session:
        SecretRepository(session).delete(name, owner)


def _is_admin(caller: Caller) -> bool:
    return AccessScope.admin in caller.scopes
