"""Backups of the whole service, and their restoration into an empty one."""
