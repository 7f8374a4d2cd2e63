"""Whether it helped, and what it cost elsewhere."""
