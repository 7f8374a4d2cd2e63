"""Steers as rows of text, and rows as trajectories."""

from midcourse.rows.join import join
from midcourse.rows.marks import marked_rows, read_rows
from midcourse.rows.row import COLUMNS, SteerRow, read_row
from midcourse.rows.weave import Passage, Skipped, weave

__all__ = ["COLUMNS", "Passage", "Skipped", "SteerRow", "join", "marked_rows", "read_row", "read_rows", "weave"]
