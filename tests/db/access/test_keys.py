import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, update

from db.access.keys import KeyRepository, Quotas
from db.access.tokens import ALPHABET, MalformedTokenError, Token
from db.core.access_errors import ApiKeyNotFoundError, ApiKeyRevokedError, BadKeyError
from db.core.clock import now
from db.core.session import Sessions, open_sessions
from db.schema.migration import migrate
from db.tables.access import DEFAULT_SCOPES, AccessScope, ApiKey
from tests.db.jobs.races import Act, race
from tests.factories import make_key

ROOT = Path(__file__).parents[3]
PAST, FUTURE = datetime(2020, 1, 1, tzinfo=UTC), datetime(2999, 1, 1, tzinfo=UTC)


def authenticates(sessions: Sessions, written: str) -> bool:
    with sessions() as session:
        try:
            KeyRepository(session).authenticate(Token.read(written).sent)
        except BadKeyError:
            return False
    return True


def test_a_token_can_be_parsed_and_its_representation_has_no_secret() -> None:
    token = Token.new("key_" + "0" * 32)
    assert Token.read(token.text) == token
    assert token.secret not in f"{token} {token!r}"
    assert len(token.text) == len("zpr__") + 32 + 40 + 6


def test_any_single_wrong_letter_is_detected_without_the_database() -> None:
    written = Token.new("key_" + "0" * 32).text
    for place in range(len("zpr_"), len(written)):
        other = next(letter for letter in ALPHABET if letter != written[place])
        with pytest.raises(MalformedTokenError) as refused:
            Token.read(written[:place] + other + written[place + 1 :])
        assert written[-46:-6] not in str(refused.value)


@pytest.mark.parametrize("written", ["", "zpr_", "hunter2", "zpr_" + "0" * 32 + "_é" * 23])
def test_other_text_is_not_a_token(written: str) -> None:
    with pytest.raises(MalformedTokenError):
        Token.read(written)


def test_a_key_authenticates_with_its_secret_only_and_the_secret_is_not_stored(
    sessions: Sessions,
) -> None:
    key, written = make_key(sessions)
    assert authenticates(sessions, written)
    assert not authenticates(sessions, Token.new(key.id).text)
    assert not authenticates(sessions, Token("key_" + "0" * 32, Token.read(written).secret).text)
    with sessions() as session:
        row = session.execute(select(ApiKey.__table__).where(ApiKey.id == key.id)).one()
    assert Token.read(written).secret not in str(row)


def test_an_expired_or_revoked_key_is_rejected_with_the_reason(sessions: Sessions) -> None:
    _, valid = make_key(sessions, expires_at=FUTURE)
    _, expired = make_key(sessions, expires_at=PAST)
    revoked, written = make_key(sessions)
    with sessions.begin() as session:
        first = KeyRepository(session).revoke(revoked.id).revoked_at
    with sessions.begin() as session:
        assert KeyRepository(session).revoke(revoked.id).revoked_at == first
    assert authenticates(sessions, valid)
    for token, reason in ((expired, "expired"), (written, "revoked")):
        with sessions() as session, pytest.raises(BadKeyError, match=reason):
            KeyRepository(session).authenticate(Token.read(token).sent)


def test_after_a_rotation_both_secrets_are_valid_during_the_grace_period(
    sessions: Sessions,
) -> None:
    key, old = make_key(sessions)
    with sessions.begin() as session:
        rotated, token = KeyRepository(session).rotate(key.id, timedelta(hours=1))
    assert rotated.former_until is not None
    assert authenticates(sessions, old)
    assert authenticates(sessions, token.text)
    with sessions.begin() as session:
        session.execute(update(ApiKey).values(former_until=now(-timedelta(seconds=1))))
    assert not authenticates(sessions, old)
    assert authenticates(sessions, token.text)


def test_a_rotation_without_grace_invalidates_the_old_secret_at_once(sessions: Sessions) -> None:
    key, old = make_key(sessions)
    with sessions.begin() as session:
        _, token = KeyRepository(session).rotate(key.id, timedelta(0))
    assert (authenticates(sessions, old), authenticates(sessions, token.text)) == (False, True)


def test_after_a_second_rotation_only_the_last_two_secrets_are_valid(sessions: Sessions) -> None:
    key, first = make_key(sessions)
    with sessions.begin() as session:
        _, second = KeyRepository(session).rotate(key.id, timedelta(hours=1))
        _, third = KeyRepository(session).rotate(key.id, timedelta(hours=1))
    found = [authenticates(sessions, one) for one in (first, second.text, third.text)]
    assert found == [False, True, True]


def test_a_revoked_or_expired_key_cannot_be_rotated(sessions: Sessions) -> None:
    key, _ = make_key(sessions, expires_at=PAST)
    with sessions.begin() as session, pytest.raises(ApiKeyRevokedError):
        KeyRepository(session).rotate(key.id, timedelta(0))
    for act in (KeyRepository.get, KeyRepository.revoke):
        with sessions.begin() as session, pytest.raises(ApiKeyNotFoundError):
            act(KeyRepository(session), "key_none")
    with sessions.begin() as session, pytest.raises(ApiKeyNotFoundError):
        KeyRepository(session).rotate("key_none", timedelta(0))


def test_quotas_that_are_changed_at_the_same_time_are_all_changed(sessions: Sessions) -> None:
    key, _ = make_key(sessions, quotas=Quotas(jobs_in_flight=3, gpu_hours=9.0))
    given = {"gpu_hours": None, "artifact_bytes": 5, "monthly_cost": 2.0}

    def limit(name: str) -> Act:
        return lambda session: KeyRepository(session).limit(key.id, {name: given[name]})

    race(sessions, *map(limit, given))
    with sessions.begin() as session:
        changed = Quotas.of(KeyRepository(session).limit(key.id, {}))
    assert changed == Quotas(3, None, 5, 2.0)


def test_use_is_recorded_once_a_minute(sessions: Sessions) -> None:
    key, written = make_key(sessions)

    def is_use_unrecorded() -> bool:
        with sessions() as session:
            return KeyRepository(session).authenticate(Token.read(written).sent)[1]

    assert is_use_unrecorded()
    with sessions.begin() as session:
        KeyRepository(session).record_use(key.id)
    assert not is_use_unrecorded()
    with sessions.begin() as session:
        noted = KeyRepository(session).get(key.id).last_used_at
        KeyRepository(session).record_use(key.id)
        assert KeyRepository(session).get(key.id).last_used_at == noted
        session.execute(update(ApiKey).values(last_used_at=now(-timedelta(seconds=61))))
    assert is_use_unrecorded()


def test_only_a_valid_admin_key_counts_as_an_admin(sessions: Sessions) -> None:
    def has_admin() -> bool:
        with sessions() as session:
            return KeyRepository(session).has_admin()

    make_key(sessions)
    make_key(sessions, AccessScope.admin, expires_at=PAST)
    assert not has_admin()
    key, _ = make_key(sessions, AccessScope.admin)
    assert has_admin()
    with sessions.begin() as session:
        KeyRepository(session).revoke(key.id)
    assert not has_admin()


def test_all_keys_are_listed_newest_first(sessions: Sessions) -> None:
    made = [make_key(sessions, name=name)[0].id for name in "abc"]
    with sessions() as session:
        keys = KeyRepository(session).all()
    assert [key.id for key in keys] == made[::-1]
    assert keys[0].scopes == [scope.value for scope in DEFAULT_SCOPES]


def test_the_first_key_is_created_without_a_running_service(new_database_url: str) -> None:
    env = os.environ | {"ZPRUNER_DATABASE_URL": new_database_url}
    command = [sys.executable, "-P", "-m", "zpruner", "keys", "bootstrap", "Ada"]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    migrate(new_database_url)
    sessions = open_sessions(new_database_url)
    with sessions() as session:
        key, _ = KeyRepository(session).authenticate(
            Token.read(done.stdout.removesuffix("\n")).sent
        )
    assert (key.name, key.scopes) == ("Ada", ["admin"])
    sessions.kw["bind"].dispose()
