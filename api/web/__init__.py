"""HTTP itself: ranges, conditions, cursors, uploads, streams, OpenAPI."""
