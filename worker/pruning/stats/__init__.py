"""Statistics of layer inputs, measured during calibration."""
