"""What a pruned model is handed over as."""
