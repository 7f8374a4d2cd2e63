"""Whether it helped, and what it cost elsewhere."""

from midcourse.evaluate.report import write_report
from midcourse.evaluate.results import Metric, Results
from midcourse.evaluate.run import Options, evaluate

__all__ = ["Metric", "Options", "Results", "evaluate", "write_report"]
