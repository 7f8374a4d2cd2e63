"""Midcourse: fine-tune a language model on the corrections a person makes while it writes."""

__version__ = "0.1.0"
