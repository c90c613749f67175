"""Turning a trigger's incoming calls into jobs."""
