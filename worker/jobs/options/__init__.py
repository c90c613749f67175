"""What the options of a job are to its sweep, one module each."""
