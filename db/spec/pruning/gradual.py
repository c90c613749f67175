"""The field ``steps`` of a specification: in how many steps a model is pruned."""

MAX_STEPS = 50
"""The limit exists because each step takes the time of a job."""
