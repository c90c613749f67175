"""Names in an output folder, for modules that must not import torch."""

PROGRESS_FOLDER = ".progress"
"""Folder below the output folder for the files that let interrupted work resume."""
PRUNED_FOLDER = ".pruned"
"""Folder below the output folder for the pruned model, where recovery writes the output."""
WORKING_FOLDERS = (PROGRESS_FOLDER, PRUNED_FOLDER)
"""The folders that are deleted before an output folder is published."""
