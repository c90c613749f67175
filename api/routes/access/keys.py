"""Routes of API keys, and the route that describes the caller."""

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Body, Response

from api.core.caller import CallerDep
from api.middleware.writers import WritingRoute
from api.routes.dependencies import KeyId, ServiceDep
from api.schemas.keys import KeyPatch, KeyRead, KeyRequest, Me, NewKey, Rotation
from api.schemas.pages import Page
from db.access.keys import KeyRepository
from db.access.tokens import Token
from db.jobs.quotas import QuotaRepository
from db.tables.access import ApiKey

router = APIRouter(prefix="/v1", tags=["access"], route_class=WritingRoute)


@router.get("/me")
def get_me(caller: CallerDep, service: ServiceDep) -> Me:
    """Return the caller, its scopes and its use of the quotas."""
    usage = None
    if caller.key is not None:
        with service.sessions() as session:
            usage = QuotaRepository(session).usage(caller.key.id)
    return Me.of(caller, usage)


@router.post("/keys", status_code=201)
def create_key(
    body: KeyRequest, caller: CallerDep, service: ServiceDep, response: Response
) -> NewKey:
    """Create a key; only this response contains its secret."""
    with service.sessions.begin() as session:
        key, token = KeyRepository(session).create(
            body.name,
            body.scopes,
            quotas=body.quotas.quotas(),
            expires_at=body.expires_at,
            created_by=caller.key_id,
        )
    response.headers["location"] = f"/v1/keys/{key.id}"
    return _with_secret(key, token, response)


@router.get("/keys")
def list_keys(service: ServiceDep) -> Page[KeyRead]:
    """List all keys, newest first, including revoked and expired ones."""
    with service.sessions() as session:
        keys = KeyRepository(session).all()
    return Page(data=[KeyRead.of(key) for key in keys])


@router.get("/keys/{key_id}")
def get_key(key_id: KeyId, service: ServiceDep) -> KeyRead:
    """Return one key."""
    with service.sessions() as session:
        return KeyRead.of(KeyRepository(session).get(key_id))


@router.patch("/keys/{key_id}")
def limit_key(key_id: KeyId, patch: KeyPatch, service: ServiceDep) -> KeyRead:
    """Change a key's quotas; they apply from the next submission on."""
    with service.sessions.begin() as session:
        return KeyRead.of(KeyRepository(session).limit(key_id, patch.limits()))


@router.delete("/keys/{key_id}")
def revoke_key(key_id: KeyId, service: ServiceDep) -> KeyRead:
    """Revoke a key at once; it stays in the list. Repeating the request changes nothing."""
    with service.sessions.begin() as session:
        return KeyRead.of(KeyRepository(session).revoke(key_id))


@router.post("/keys/{key_id}/rotate")
def rotate_key(
    key_id: KeyId,
    service: ServiceDep,
    response: Response,
    body: Annotated[Rotation | None, Body()] = None,
) -> NewKey:
    """Give a key a new secret, which only this response contains; the old one works for a while."""
    grace = timedelta(seconds=(body or Rotation()).grace_s)
    with service.sessions.begin() as session:
        key, token = KeyRepository(session).rotate(key_id, grace)
    return _with_secret(key, token, response)


def _with_secret(key: ApiKey, token: Token, response: Response) -> NewKey:
    response.headers["cache-control"] = "no-store"
    return NewKey.of(key, key=token.text)
