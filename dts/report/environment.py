"""Where and when a run ran, read from its text logs."""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass, field
from pathlib import Path

_TIME = re.compile(r'^(\d{4}/\d\d/\d\d \d\d:\d\d:\d\d) - ', re.MULTILINE)
# As MMEngine writes them at the start of every log.
_FACTS = {
    'Python': r'^ *Python: (\S+)',
    'PyTorch': r'^ *PyTorch: (\S+)',
    'MMEngine': r'^ *MMEngine: (\S+)',
    'GPU': r'^ *GPU 0(?:,\d+)*: (.+)$',
    'processes': r'^ *GPU number: (\d+)',
    'seed': r'^ *seed: (\d+)',
}


@dataclass(frozen=True)
class Part:
    """One process of a run.

    Attributes:
        name: of its folder.
        start: first time in its log.
        end: last time in its log.
        facts: name -> text, what the head of the log tells.
    """

    name: str
    start: datetime.datetime
    end: datetime.datetime
    facts: dict[str, str] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """Time between the first and the last line."""
        return (self.end - self.start).total_seconds()


def read_parts(work_dir: Path) -> list[Part]:
    """Read the text logs of a run.

    Args:
        work_dir: folder of the run.

    Returns:
        Its processes, oldest first; those without a line that has a time are left out.
    """
    parts = []
    for file in sorted(work_dir.glob('*/*.log')):
        text = file.read_text(errors='replace')
        times = _TIME.findall(text)
        if not times:
            continue
        found = {name: re.search(pattern, text, re.MULTILINE) for name, pattern in _FACTS.items()}
        facts = {name: match.group(1).strip() for name, match in found.items() if match}
        parts.append(Part(file.parent.name, _time(times[0]), _time(times[-1]), facts))
    return parts


def _time(text: str) -> datetime.datetime:
    """Parse the time of a line."""
    return datetime.datetime.strptime(text, '%Y/%m/%d %H:%M:%S')
