"""Middleware for every request: authentication, limits, metrics, tracing."""
