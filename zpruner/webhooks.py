"""For receivers of webhooks: verify that a message is from the service, and was not changed."""

from zpruner.client.signature import SignatureError, verify

__all__ = ["SignatureError", "verify"]
