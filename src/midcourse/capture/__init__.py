"""Steers that were made elsewhere, brought into the store."""
