"""The text that a job's dense model writes, to be calibrated and trained on."""
