"""Startup of a process: settings, checks, private files, tracing."""
