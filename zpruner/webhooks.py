"""Verification of webhook messages, for receivers."""

from zpruner.client.signature import SignatureError, verify

__all__ = ["SignatureError", "verify"]
