"""Estimates of a job's memory, time and size before it runs."""
