"""capture/importers."""
