"""Artifacts and uploaded datasets: their files, their database rows, and checks of the files."""
