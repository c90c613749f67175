"""Foundations of every other package: errors, job states, database sessions, the clock, logging."""
