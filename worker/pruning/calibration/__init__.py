"""Calibration: text runs through a block, and the moments of its layers' inputs are collected."""
