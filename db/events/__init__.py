"""State transitions of jobs, and the events and logs that record them."""
