"""The parts of a sweep that options of a job ask for, one module for each option."""
