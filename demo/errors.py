"""The error that ends the demo."""


class DemoError(Exception):
    """The demo cannot continue; the message gives the reason, and the remedy if one is known."""
