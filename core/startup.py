"""What `manage.py up` sees to before it starts anything: port, tables, static files, a first administrator."""

import errno
import hashlib
import secrets
import socket
import sys
from pathlib import Path

from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command, get_commands
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from core.errors import QuarryError
from core.models import Project, User

ADMIN = "admin"
MANAGE = [sys.executable, str(settings.BASE_DIR / "manage.py")]
WEB_THREADS = 12
MAX_PORT = 65535


class PortTakenError(QuarryError):
    code = "port_taken"
    template = "Port {port} on {host} is taken. Choose another one: python manage.py up --port {other}"


class BadAddressError(QuarryError):
    code = "bad_address"
    template = "Quarry cannot listen on {host}, port {port}: {reason}. See --host and --port."


def bind(host: str, port: int) -> socket.socket:
    """A listening socket that the web processes inherit, so nobody can take the port while they start again.

    Port 0 takes any free one.

    Raises PortTakenError or BadAddressError.
    """
    if not 0 <= port <= MAX_PORT:
        raise BadAddressError(host=host, port=port, reason=f"ports go from 1 to {MAX_PORT}")
    try:
        family, kind, proto, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        server = socket.socket(family, kind, proto)
    except OSError as error:
        raise BadAddressError(host=host, port=port, reason=error) from error
    try:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(address)
        server.listen(2048)
    except OSError as error:
        server.close()
        if isinstance(error, PermissionError) or error.errno != errno.EADDRINUSE:
            raise BadAddressError(host=host, port=port, reason=error.strerror) from error
        raise PortTakenError(host=host, port=port, other=port + 1 if port < MAX_PORT else 8001) from error
    return server


def migrate_if_needed() -> bool:
    """Brings the tables up to date; True when there was something to do."""
    executor = MigrationExecutor(connection)
    if not executor.migration_plan(executor.loader.graph.leaf_nodes()):
        return False
    call_command("migrate", verbosity=0, interactive=False)
    return True


def collect_static_if_needed() -> bool:
    """Collects and compresses static files when any of them changed since the last time."""
    stamp, fingerprint = Path(settings.STATIC_ROOT) / ".collected", _static_fingerprint()
    if stamp.is_file() and stamp.read_text(encoding="ascii") == fingerprint:
        return False
    call_command("collectstatic", verbosity=0, interactive=False)
    stamp.parent.mkdir(parents=True, exist_ok=True)
    stamp.write_text(fingerprint, encoding="ascii")
    return True


def _static_fingerprint() -> str:
    digest = hashlib.blake2b(digest_size=16)
    for finder in get_finders():
        for path, storage in finder.list([]):
            facts = Path(storage.path(path)).stat()
            digest.update(f"{path}\0{facts.st_size}\0{facts.st_mtime_ns}\0".encode())
    return digest.hexdigest()


def create_first_administrator() -> tuple[str, str] | None:
    """(name, password) of a new administrator if there was none; the password is stored nowhere in clear."""
    if User.objects.filter(is_superuser=True, is_active=True).exists():
        return None
    name = ADMIN
    while User.objects.filter(username=name).exists():
        name = f"{ADMIN}-{secrets.token_hex(2)}"
    password = secrets.token_urlsafe(12)
    User.objects.create_superuser(name, password=password)
    return name, password


def sample_command() -> list[str] | None:
    """The command that loads the sample project, if this database has no project yet."""
    if "load_sample" not in get_commands() or Project.objects.exists():
        return None
    return [*MANAGE, "load_sample"]


def web_command(server: socket.socket) -> list[str]:
    """gunicorn on an inherited socket: one process with threads on SQLite (its write tickets live in one process)."""
    return [
        *(sys.executable, "-m", "gunicorn", "config.wsgi:application"),
        *("--chdir", str(settings.BASE_DIR)),
        *("--bind", f"fd://{server.fileno()}"),
        *("--worker-class", "gthread", "--threads", str(WEB_THREADS)),
        *("--workers", "1" if connection.vendor == "sqlite" else "2"),
        *("--keep-alive", "15", "--timeout", "60", "--graceful-timeout", "5"),
        *("--log-level", "warning", "--no-control-socket"),
    ]


def worker_command() -> list[str]:
    """Jobs: embedded without REDIS_URL, on Redis with it; the same code."""
    return [*MANAGE, "worker"]


def inference_command() -> list[str] | None:
    """The process that answers searches, where that room is there."""
    return [*MANAGE, "inference"] if "inference" in get_commands() else None
