"""Routes of keys and the audit log."""
