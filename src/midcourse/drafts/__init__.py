"""One text being written, headless: stream, stop, rewind, correct, resume, undo."""
