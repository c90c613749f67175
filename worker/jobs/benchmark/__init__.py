"""The benchmark of a job: how fast the dense and the pruned model are."""
