"""An OpenAI-compatible route over the local backend: base and adapters by name, no engine of its own."""
