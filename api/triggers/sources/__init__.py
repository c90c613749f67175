"""The systems that call triggers, one a file: how their calls are authenticated and read."""
