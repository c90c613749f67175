"""The base of the API: settings, the caller, responses with problems, cached reads."""
