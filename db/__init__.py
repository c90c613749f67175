"""Everything both sides agree on and that outlives a process."""
