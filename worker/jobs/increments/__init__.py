"""Pruning the model of a job: at once, or gradually in increments."""
