"""The study: does steering teach more per second of a person's than rewriting, on tasks anybody can bring."""

from midcourse.workflows.study.cells import Cell, Study
from midcourse.workflows.study.queue import run_study
from midcourse.workflows.study.tables import write_tables

__all__ = ["Cell", "Study", "run_study", "write_tables"]
