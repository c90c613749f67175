"""The catalogue of problem kinds that API, workers and janitor share."""
