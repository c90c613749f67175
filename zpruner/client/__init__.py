"""The typed Python client of the service."""
