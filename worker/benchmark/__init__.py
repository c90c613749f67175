"""How fast two models run, and how much memory they take, measured in turns."""
