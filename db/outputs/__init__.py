"""The outputs of jobs: who sends them, when they are retried, and the record of it."""
