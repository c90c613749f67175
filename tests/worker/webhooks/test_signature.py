"""The signature, against the vector of Standard Webhooks and against their own receiver's code."""

import base64
from datetime import UTC, datetime, timedelta, timezone

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from worker.webhooks.signature import signed_headers
from zpruner.client.signature import verify

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER = "whsec_" + base64.b64encode(b"another secret of 32 octets size").decode()
BODY = '{"test": 2432232314}'


def test_the_published_test_vector_is_reproduced() -> None:
    at = datetime.fromtimestamp(1614265330, UTC)
    assert signed_headers("msg_p5jXN8AQM9LWM0D4loKWxJek", BODY, [SECRET], at) == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_a_timestamp_does_not_depend_on_the_time_zone() -> None:
    at = datetime.fromtimestamp(1614265330, UTC)
    elsewhere = at.astimezone(timezone(timedelta(hours=9)))
    assert signed_headers("msg_1", BODY, [SECRET], elsewhere) == signed_headers(
        "msg_1", BODY, [SECRET], at
    )


def test_either_of_two_valid_secrets_verifies_a_message() -> None:
    headers = signed_headers("msg_1", BODY, [OTHER, SECRET])
    for secret in (SECRET, OTHER):
        assert Webhook(secret).verify(BODY, headers) == {"test": 2432232314}
        assert verify(secret, headers, BODY) == {"test": 2432232314}
    with pytest.raises(WebhookVerificationError):
        Webhook("whsec_" + base64.b64encode(b"x" * 24).decode()).verify(BODY, headers)


@pytest.mark.parametrize("changed", ["webhook-id", "webhook-timestamp", "body"])
def test_the_signature_covers_id_timestamp_and_body(changed: str) -> None:
    headers, body = signed_headers("msg_1", BODY, [SECRET]), BODY
    if changed == "body":
        body += " "
    elif changed == "webhook-id":
        headers[changed] = "msg_2"
    else:
        headers[changed] = str(int(headers[changed]) + 1)
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(body, headers)
