"""Malformed and hostile models, datasets and task files, made from seeds, and what a job does."""
