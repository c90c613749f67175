"""The weights that a job has written, read again from their files."""
