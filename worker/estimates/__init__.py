"""What a job would take, without running it."""
