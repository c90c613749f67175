"""What every process does when it starts: settings, checks, private files, tracing."""
