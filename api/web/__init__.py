"""HTTP features: ranges, conditional requests, cursors, archives, OpenAPI."""
