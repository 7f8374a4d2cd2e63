"""What crosses stages."""
