"""Data and rules that the API and the workers share: tables, job states, settings, files."""
