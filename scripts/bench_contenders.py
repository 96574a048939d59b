"""The list of those who are measured, as a list someone can read.

Called by  bench.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

import bench_smtp
from bench_run import Contender, Mail, fildes, parse, temporary
from bench_world import World

from qscanner.checks import spam
from qscanner.checks.told import Told
from qscanner.spool import Message
from tests.fakes import mails

_SPAM_OCTETS = 500_000  # spamc, and our setting, score nothing larger
_REFUSED = 82  # with a text on fd 6
SCORED = ("2kB", "30kB")


def contenders(world: World) -> Iterator[Contender]:
    """Give all that can be measured here, in the order in which they alternate."""
    yield from _floor(world)
    yield from _wrappers(world)
    yield from _ours(world)
    yield from _with_spamd(world)
    yield from bench_smtp.contenders(world)


def _floor(world: World) -> Iterator[Contender]:
    site, clamd = world.site, world.clamd
    yield Contender(
        name="queue",
        what="(a) stand-in queue program alone",
        command=(str(world.tools.fake_queue),),
        env=site.environment(),
        site=site,
    )
    yield Contender(
        name="fildes",
        what="clamd asked by FILDES from a loop",
        servers=(clamd.pid,),
        loop=fildes(clamd.unix.path),
        abreast=(1,),
    )
    yield Contender(name="parse", what="stdlib email parse (compat32)", loop=parse(), abreast=(1,))


def _wrapper(world: World, name: str, what: str, *, ripmime: str, spamc: str = "") -> Contender:
    assert world.spamd or not spamc
    work = world.folder / "wrapped"
    work.mkdir(exist_ok=True)
    work.chmod(0o777)
    conf = Path(world.clamd.unix.path).with_name("clamd.conf")
    program, queue = world.tools.wrapper, world.tools.fake_queue
    return Contender(
        name=name,
        what=what,
        command=(str(program), str(work), str(queue), str(conf), ripmime, spamc),
        env=world.site.environment(),
        servers=(world.clamd.pid, *((world.spamd.pid,) if world.spamd and spamc else ())),
        site=world.site,
        at_most=_SPAM_OCTETS if spamc else 1 << 62,
        sizes=SCORED if spamc else (),
        slow=4 if spamc else 1,
    )


def _wrappers(world: World) -> Iterator[Contender]:
    if not shutil.which("clamdscan"):
        return
    yield _wrapper(world, "clamdscan", "(b) clamdscan --fdpass + queue program", ripmime="")
    ripmime = shutil.which("ripmime")
    if not ripmime:
        return
    yield _wrapper(world, "pipeline", "(c) ripmime; clamdscan; queue program", ripmime=ripmime)
    if world.spamd:
        yield _wrapper(
            world,
            "pipeline-spamc",
            "(c) ripmime; clamdscan; spamc -c; queue program",
            ripmime=ripmime,
            spamc=world.spamd.unix.path,
        )


def _ours(world: World) -> Iterator[Contender]:
    site, tools = world.site, world.tools
    resident = (world.daemon, world.clamd.pid)
    yield Contender(
        name="in-process",
        what="(e) qscanner, no daemon",
        command=(str(tools.python_client),),
        env=site.environment(away=True),
        servers=(world.clamd.pid,),
        site=site,
        slow=4,
    )
    for name, what, program in (
        ("python-client", "(e) qscanner, Python client", tools.python_client),
        ("c-client", "(e) qscanner, C client", tools.c_client),
    ):
        yield Contender(
            name=name,
            what=what,
            command=(str(program),),
            env=site.environment(),
            servers=resident,
            site=site,
        )


def _with_spamd(world: World) -> Iterator[Contender]:
    if not world.spamd or not world.spam_site:
        return
    server = world.spamd.unix

    def score(mail: Mail) -> None:
        message = Message.of_octets(mail.file.read_bytes())
        spam.ask_spamd(message, server, Told(), within_s=60)
        message.close()

    yield Contender(
        name="spamd",
        what="spamd asked from a loop",
        servers=(world.spamd.pid,),
        loop=score,
        abreast=(1,),
        sizes=SCORED,
        slow=4,
    )
    yield Contender(
        name="c-client-spamd",
        what="(e) qscanner, C client, with spamd",
        command=(str(world.tools.c_client),),
        env=world.spam_site.environment(),
        servers=(world.spam_daemon, world.clamd.pid, world.spamd.pid),
        site=world.spam_site,
        sizes=SCORED,
        slow=4,
    )


def pairs(world: World, mail: Mail) -> Iterator[tuple[Contender, Mail]]:
    """Give what shows the clients' own CPU: a message that is refused, so nothing is exec'd."""
    octets = mails.infected()
    refused = Mail(
        size=mail.size,
        file=temporary(world.folder, octets),
        envelope=mail.envelope,
        octets=len(octets),
    )
    env, python = world.site.environment(), world.tools.python
    bare = (str(python), "-I", "-S", "-c", "pass")
    for name, what, command, wanted in (
        ("empty-c", "an empty C program", (str(world.tools.empty),), 0),
        ("c-client-own", "C client, message refused", (str(world.tools.c_client),), _REFUSED),
        ("bare-python", "python3 -I -S -c pass", bare, 0),
        (
            "python-client-own",
            "Python client, message refused",
            (str(world.tools.python_client),),
            _REFUSED,
        ),
    ):
        yield Contender(name=name, what=what, command=command, env=env, wanted=wanted), refused
