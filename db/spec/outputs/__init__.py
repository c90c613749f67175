"""Outputs: the places outside the service that a job's result is sent to."""
