"""Talks to the inference process: length-prefixed JSON over a local socket. Imports no model library.

The address stands in `QUARRY_HOME/inference-<host>.json` (mode 0600): a Unix-domain socket, or a loopback port with a
secret where the socket's path would be too long. Frames are a 4-byte big-endian length and that many bytes of JSON.
"""

import json
import secrets
import socket
import struct
from pathlib import Path
from typing import Any, ClassVar

from django.conf import settings

from core.errors import QuarryError

MAX_FRAME_BYTES = 2**20
CONNECT_TIMEOUT_S = 3.0
ANSWER_TIMEOUT_S = 60.0  # the first query after a rest loads the encoder
SOCKET_PATH_MAX_BYTES = 100  # sun_path holds 108 on Linux, 104 on macOS, with its closing zero


class SearchNotRunningError(QuarryError):
    code, status = "search_not_running", 503
    template = (
        "Search is not running. `manage.py up` starts it together with the web and the worker; "
        "`manage.py inference` starts it alone."
    )


class SearchTimeoutError(QuarryError):
    code, status = "search_timeout", 504
    template = "Search gave no answer within {seconds:.0f} seconds. It may be loading a model: try again in a moment."


class SearchRefusedError(QuarryError):
    """The inference process could not answer; its own words."""

    code: ClassVar[str] = "search_refused"
    status: ClassVar[int] = 503
    template = "{problem}"


def address_path() -> Path:
    """Where the running inference process of this host wrote its address."""
    return Path(settings.QUARRY_HOME) / f"inference-{socket.gethostname()}.json"


def ask(request: dict[str, Any], *, timeout: float = ANSWER_TIMEOUT_S) -> dict[str, Any]:
    """Sends one request and returns the answer's fields.

    Raises SearchNotRunningError when nobody listens, SearchTimeoutError after `timeout` seconds without an answer,
    and SearchRefusedError with the process's own words when it cannot answer.
    """
    try:
        address = json.loads(address_path().read_text(encoding="utf-8"))
        with _connect(address) as connection:
            connection.settimeout(timeout)
            send_frame(connection, {**request, "token": address["token"]})
            answer = receive_frame(connection)
    except TimeoutError as error:
        raise SearchTimeoutError(seconds=timeout) from error
    except (OSError, ValueError, KeyError) as error:
        raise SearchNotRunningError from error
    if answer is None:
        raise SearchNotRunningError
    if "error" in answer:
        raise SearchRefusedError(problem=answer["error"], reason=answer.get("code", ""))
    return answer


def is_running() -> bool:
    """Whether the inference process answers at once; loads nothing."""
    try:
        ask({"op": "ping"}, timeout=2.0)
    except QuarryError:
        return False
    return True


def _connect(address: dict[str, Any]) -> socket.socket:
    is_unix = "path" in address
    connection = socket.socket(socket.AF_UNIX if is_unix else socket.AF_INET, socket.SOCK_STREAM)
    connection.settimeout(CONNECT_TIMEOUT_S)
    try:
        connection.connect(address["path"] if is_unix else ("127.0.0.1", address["port"]))
    except OSError:
        connection.close()
        raise
    return connection


def make_token() -> str:
    """A secret that only readers of the address file know."""
    return secrets.token_urlsafe(24)


def send_frame(connection: socket.socket, message: dict[str, Any]) -> None:
    """Writes one frame."""
    body = json.dumps(message).encode()
    connection.sendall(struct.pack(">I", len(body)) + body)


def receive_frame(connection: socket.socket) -> dict[str, Any] | None:
    """Reads one frame; None at the end of the stream. Raises ValueError for an over-long or malformed one."""
    header = _read_exactly(connection, 4)
    if header is None:
        return None
    (n_bytes,) = struct.unpack(">I", header)
    if n_bytes > MAX_FRAME_BYTES:
        raise ValueError(f"a frame of {n_bytes} bytes is longer than {MAX_FRAME_BYTES}")
    body = _read_exactly(connection, n_bytes)
    if body is None:
        return None
    message = json.loads(body)
    if not isinstance(message, dict):
        raise ValueError("a frame holds no JSON object")  # noqa: TRY004 - malformed input, not a wrong call
    return message


def _read_exactly(connection: socket.socket, n_bytes: int) -> bytes | None:
    """`n_bytes` from the stream; None when it ends before."""
    chunks = bytearray()
    while len(chunks) < n_bytes:
        chunk = connection.recv(n_bytes - len(chunks))
        if not chunk:
            return None
        chunks += chunk
    return bytes(chunks)
