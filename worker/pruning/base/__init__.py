"""Errors, memory, durable files and other helpers that the whole core uses."""
