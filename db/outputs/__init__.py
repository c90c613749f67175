"""The outputs of jobs: claims of those that are due, retries, and the record of each."""
