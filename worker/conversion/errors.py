"""The error of a conversion."""


class ConversionError(Exception):
    """A folder cannot be converted; the message gives the reason, and the remedy if known."""
