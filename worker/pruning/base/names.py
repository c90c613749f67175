"""Names in an output folder that others have to know without importing torch."""

PROGRESS_FOLDER = ".progress"
"""Where the journal of a sweep and what it takes to continue one lie."""
