"""What a job measures besides perplexity, and what it reports of it."""
