"""Routes of the service itself: health, metrics, workers, pages."""
