"""One file for each loss; what lies here is found by itself (see `objective/registry.py`)."""
