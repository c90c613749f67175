"""Jobs: submitted, claimed, listed, recovered; with their queues, sweeps and workers."""
