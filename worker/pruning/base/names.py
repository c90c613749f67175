"""The names of folders inside an output folder. Importing this module does not import torch."""

PROGRESS_FOLDER = ".progress"
"""Folder below the output folder for the files that let interrupted work resume."""
PRUNED_FOLDER = ".pruned"
"""Folder below the output folder for the pruned model, if it is only the input of a recovery.

The recovery writes its result into the output folder itself.
"""
SMALLER_FOLDER = ".smaller"
"""Folder below that of a model with zeros in place of its removed units, for what is left of it.

A recovery reads the smaller model from one such folder, and writes it into another. Below the
output folder it holds the model from which tokens are still to be removed.
"""
SCORES_FOLDER = ".scores"
"""Folder below the output folder for the results of finished zero-shot tasks."""
STEPS_FOLDER = ".steps"
"""Folder below the output folder for the models of a gradual job, each in a folder of its own."""
WHOLE_FOLDER = ".whole"
"""Folder below the output folder for a pruned model with zeros in place of its removed units."""
CANDIDATES_FOLDER = ".candidates"
"""Folder below the output folder for the models of the methods that a job compares."""
ROTATED_FOLDER = ".rotated"
"""Folder below the output folder for the rotated dense model that a sweep prunes."""
WORKING_FOLDERS = (
    PROGRESS_FOLDER,
    PRUNED_FOLDER,
    SCORES_FOLDER,
    STEPS_FOLDER,
    WHOLE_FOLDER,
    SMALLER_FOLDER,
    CANDIDATES_FOLDER,
    ROTATED_FOLDER,
)
"""The folders that are deleted before an output folder is published."""
