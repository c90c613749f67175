"""Object storage: buckets of S3-compatible services. Knows nothing about jobs."""
