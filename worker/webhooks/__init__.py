"""Sending of webhook messages."""
