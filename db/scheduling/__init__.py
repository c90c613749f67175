"""Scheduling of jobs: queues, claims, leases, workers, recovery, retries."""
