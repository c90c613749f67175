"""A simulator of the job system: the real code in one thread, with a clock of its own."""
