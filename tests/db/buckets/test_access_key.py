import pytest

from db.buckets.access_key import AccessKey, parse_access_key
from db.core.redaction import redact


def test_an_access_key_has_an_id_a_secret_and_perhaps_a_token() -> None:
    assert parse_access_key("AKIA1:canary/one+of=\n") == AccessKey("AKIA1", "canary/one+of=")
    assert parse_access_key("AKIA1:a-secret:a:token") == AccessKey("AKIA1", "a-secret", "a:token")


def test_its_values_are_shown_neither_by_logs_nor_by_its_text() -> None:
    key = parse_access_key("AKIA1:canary.secret:canary.token")
    assert redact("canary.secret and canary.token were refused") == "*** and *** were refused"
    assert "canary" not in repr(key)


@pytest.mark.parametrize("text", ["", "AKIA1", "AKIA1:", ":secret", "AKIA1:secret:", "hf_token"])
def test_any_other_text_is_refused_without_being_repeated(text: str) -> None:
    with pytest.raises(ValueError, match="An access key has the form ACCESS_KEY_ID:") as refused:
        parse_access_key(text)
    assert "hf_token" not in str(refused.value)
