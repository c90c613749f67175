"""Statistics of layer inputs, gathered during calibration."""
