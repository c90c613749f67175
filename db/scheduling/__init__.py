"""Which job runs next and who holds it: queues, leases, workers, recovery, retries."""
