"""Artifacts and uploaded datasets: their files on disk, their rows, and checks of both."""
