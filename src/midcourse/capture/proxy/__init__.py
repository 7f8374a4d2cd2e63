"""Between any client and any model server: what was asked and answered, and the steers that the next request shows."""
