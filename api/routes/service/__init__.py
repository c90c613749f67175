"""Routes of the service itself: health, metrics, workers and web pages."""
