"""One attempt at a job: claim, lease, log, verdict."""
