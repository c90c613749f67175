"""The weights that a job has written."""
