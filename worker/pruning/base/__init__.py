"""What all of the core uses: errors, memory, durable files, generators."""
