"""Steers as rows of text, and rows as trajectories."""

from midcourse.rows.join import Skipped, join
from midcourse.rows.marks import marked_rows, read_rows
from midcourse.rows.row import COLUMNS, SteerRow, read_row

__all__ = ["COLUMNS", "Skipped", "SteerRow", "join", "marked_rows", "read_row", "read_rows"]
