"""Keys: made, looked at, rotated, revoked; and who asks."""

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Body, Response

from api.deps import KeyId, ServiceDep
from api.middleware.caller import CallerDep
from api.middleware.writers import WritingRoute
from api.schemas.keys import KeyRead, KeyRequest, Me, NewKey, Rotation
from api.schemas.pages import Page
from db.access.keys import KeyRepository, Quotas
from db.access.tokens import Token
from db.jobs.quotas import QuotaRepository
from db.tables.access import ApiKey

router = APIRouter(prefix="/v1", tags=["access"], route_class=WritingRoute)


@router.get("/me")
def get_me(caller: CallerDep, service: ServiceDep) -> Me:
    """Say who asks, with which scopes, and what is used of the quotas."""
    usage = None
    if caller.key is not None:
        with service.sessions() as session:
            usage = QuotaRepository(session).usage(caller.key.id)
    return Me.of(caller, usage)


@router.post("/keys", status_code=201)
def create_key(
    body: KeyRequest, caller: CallerDep, service: ServiceDep, response: Response
) -> NewKey:
    """Make a key; this answer alone shows it."""
    with service.sessions.begin() as session:
        key, token = KeyRepository(session).create(
            body.name,
            body.scopes,
            quotas=Quotas(**body.quotas.model_dump()),
            expires_at=body.expires_at,
            created_by=caller.key_id,
        )
    response.headers["location"] = f"/v1/keys/{key.id}"
    return _shown(key, token, response)


@router.get("/keys")
def list_keys(service: ServiceDep) -> Page[KeyRead]:
    """List all keys, newest first, with those that open nothing any longer."""
    with service.sessions() as session:
        keys = KeyRepository(session).all()
    return Page(data=[KeyRead.of(key) for key in keys])


@router.get("/keys/{key_id}")
def get_key(key_id: KeyId, service: ServiceDep) -> KeyRead:
    """Return one key."""
    with service.sessions() as session:
        return KeyRead.of(KeyRepository(session).get(key_id))


@router.delete("/keys/{key_id}")
def revoke_key(key_id: KeyId, service: ServiceDep) -> KeyRead:
    """End a key at once; it stays in the list, and twice is the same as once."""
    with service.sessions.begin() as session:
        return KeyRead.of(KeyRepository(session).revoke(key_id))


@router.post("/keys/{key_id}/rotate")
def rotate_key(
    key_id: KeyId,
    service: ServiceDep,
    response: Response,
    body: Annotated[Rotation | None, Body()] = None,
) -> NewKey:
    """Give a key a new secret, which this answer alone shows; the old one opens for a while."""
    grace = timedelta(seconds=(body or Rotation()).grace_s)
    with service.sessions.begin() as session:
        key, token = KeyRepository(session).rotate(key_id, grace)
    return _shown(key, token, response)


def _shown(key: ApiKey, token: Token, response: Response) -> NewKey:
    response.headers["cache-control"] = "no-store"
    return NewKey.of(key, key=token.written)
