"""What runs while the bench measures: servers, sites, daemons, by name.

Called by  bench, bench_contenders, bench_smtp, bench_stages.
"""

from dataclasses import dataclass, field
from pathlib import Path

from bench_site import Site, Tools

from tests.real.servers import Running


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Servers and sites. None and 0: not there. `doors` are SMTP scanners: port, pids."""

    folder: Path
    tools: Tools
    clamd: Running
    site: Site
    daemon: int
    spamd: Running | None = None
    spam_site: Site | None = None
    spam_daemon: int = 0
    doors: dict[str, tuple[int, tuple[int, ...]]] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()
