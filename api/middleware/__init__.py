"""Layers around every request: authentication, limits, metrics, tracing."""
