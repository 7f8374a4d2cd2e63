"""What leaves Midcourse in other formats: adapters, rows for other trainers."""
