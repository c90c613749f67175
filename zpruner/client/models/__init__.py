"""Typed responses of the service; unknown fields are ignored."""
