"""Errors of model folders and their files."""


class FilesError(Exception):
    """A file or folder cannot be used; the text names it, the reason and the remedy."""
