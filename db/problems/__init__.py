"""The catalogue of problem kinds that the API, workers and the control process share."""
