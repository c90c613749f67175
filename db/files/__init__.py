"""Artifacts and uploaded datasets: their files, rows, checks, downloads and retention."""
