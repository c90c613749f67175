"""Names in an output folder, for modules that must not import torch."""

PROGRESS_FOLDER = ".progress"
"""Folder below the output folder for the files that let an interrupted sweep resume."""
