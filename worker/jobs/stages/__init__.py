"""The options of a job that rotate, round or binarise its model, or measure it, each in a place."""
