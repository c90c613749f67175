"""The work of a job, from its specification to a pruned model folder and its report."""
