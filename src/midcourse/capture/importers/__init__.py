"""Steers from files: reading rows of any supported format, and turning known data sets into trajectories."""
