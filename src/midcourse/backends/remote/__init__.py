"""Generation on a server elsewhere: one HTTP stream, one small dialect per kind of server, probing what it can do."""

from midcourse.backends.remote.backend import RemoteBackend
from midcourse.backends.remote.dialects import DIALECTS
from midcourse.backends.remote.fitted import Fitted, connect
from midcourse.backends.remote.probe import Ability, Report, probe

__all__ = ["DIALECTS", "Ability", "Fitted", "RemoteBackend", "Report", "connect", "probe"]
