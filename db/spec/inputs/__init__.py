"""Inputs of jobs in buckets: models and texts."""
