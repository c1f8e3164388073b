"""The inference process: one encoder and one memory-mapped index behind a local socket.

It starts in a moment and stays small: the model library is imported on the first query. After `idle_s` without one it
replaces itself by a fresh copy (exec keeps pid, parent and listening socket), which gives all memory back.
Requests are answered in threads, but only one at a time uses the model.
"""

import json
import logging
import os
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.conf import settings

from core.errors import QuarryError
from modeling.inference_client import (
    SOCKET_PATH_MAX_BYTES,
    address_path,
    make_token,
    receive_frame,
    send_frame,
)

logger = logging.getLogger(__name__)
MAX_CONNECTIONS = 16
MAX_QUERY_CHARS = 2_000
MAX_TOP = 200
READ_TIMEOUT_S = 10.0
MODEL_WAIT_S = 50.0
LISTENER_VARIABLE = "QUARRY_INFERENCE_LISTENER"

Handler = Callable[[dict[str, Any]], dict[str, Any]]


class Server:
    """Accepts connections, checks requests, and hands them to `handlers` by their `op`.

    `idle_s` seconds after the last request `on_idle` is called once (the process uses it to renew itself).
    """

    def __init__(
        self,
        handlers: dict[str, Handler],
        *,
        idle_s: float = 600.0,
        on_idle: Callable[[socket.socket], None] | None = None,
    ) -> None:
        self.handlers = handlers
        self.idle_s = idle_s
        self.on_idle = on_idle
        inherited = _inherited_listener()
        self.listener = inherited or _new_listener()
        # Clients that wait in an inherited listener know the old token.
        self.token = (inherited and _written_token()) or make_token()
        self._slots = threading.BoundedSemaphore(MAX_CONNECTIONS)
        self._stop = threading.Event()
        self._active = 0
        self._active_lock = threading.Lock()
        self._last_request: float | None = None

    def serve(self) -> None:
        """Runs until `stop` is called; the address file exists exactly as long."""
        _write_address(self.listener, self.token)
        try:
            while not self._stop.is_set():
                ready, _, _ = select.select([self.listener], [], [], 0.5)
                if ready:
                    self._accept()
                if self._is_idle():
                    self._last_request = None
                    if self.on_idle:
                        self.on_idle(self.listener)
        finally:
            self._clean_up()

    def stop(self) -> None:
        """Makes `serve` return within half a second."""
        self._stop.set()

    def _is_idle(self) -> bool:
        with self._active_lock:
            return (
                self._active == 0
                and self._last_request is not None
                and time.monotonic() - self._last_request > self.idle_s
            )

    def _accept(self) -> None:
        try:
            connection, _ = self.listener.accept()
        except OSError:
            return
        connection.settimeout(READ_TIMEOUT_S)
        with self._active_lock:
            self._active += 1
        threading.Thread(target=self._serve_connection, args=(connection,), daemon=True).start()

    def _serve_connection(self, connection: socket.socket) -> None:
        try:
            with connection:
                message = receive_frame(connection)
                if message is not None:
                    connection.settimeout(READ_TIMEOUT_S + MODEL_WAIT_S)
                    send_frame(connection, self._answer(message))
        except (OSError, ValueError) as error:
            logger.info("a connection ended early: %s", error)
        finally:
            with self._active_lock:
                self._active -= 1

    def _answer(self, message: dict[str, Any]) -> dict[str, Any]:
        if message.pop("token", "") != self.token:
            return {"error": "The request does not carry this process's secret.", "code": "wrong_token"}
        op = str(message.pop("op", ""))
        handler = self.handlers.get(op)
        if handler is None:
            return {"error": "The request names no known operation.", "code": "unknown_op"}
        if not self._slots.acquire(blocking=False):
            return {"error": "Search is busy. Try again in a moment.", "code": "busy"}
        try:
            answer = handler(message)
        except QuarryError as error:
            answer = {"error": str(error), "code": error.code}
        except Exception as error:
            logger.exception("a request failed")
            answer = {"error": f"Search failed: {type(error).__name__}: {error}", "code": "crash"}
        finally:
            self._slots.release()
        if op != "ping":
            self._last_request = time.monotonic()
        return answer

    def _clean_up(self) -> None:
        path = self.listener.getsockname()
        self.listener.close()
        address_path().unlink(missing_ok=True)
        if isinstance(path, str) and path:
            Path(path).unlink(missing_ok=True)


class Engine:
    """The loaded model: one checkpoint and one index at a time, guarded by a lock."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._checkpoint = ""
        self._matcher: Any = None
        self._index_path = ""
        self._index: Any = None

    def handlers(self) -> dict[str, Handler]:
        """What the process answers."""
        return {"ping": self.ping, "search": self.search}

    def ping(self, request: dict[str, Any]) -> dict[str, Any]:
        """Who is there and what is loaded; loads nothing."""
        return {"pid": os.getpid(), "checkpoint": self._checkpoint, "index": self._index_path}

    def search(self, request: dict[str, Any]) -> dict[str, Any]:
        """Ranks an index for a query.

        Takes query, checkpoint (encoder name or folder), index (folder below QUARRY_HOME) and top; answers with
        results as [code id, score], best first, the number of codes, the max length, and the milliseconds of the
        search itself.
        """
        query, top = _checked_query(request)
        if not self._lock.acquire(timeout=MODEL_WAIT_S):
            raise InferenceBusyError
        try:
            self._load(str(request.get("checkpoint", "")), str(request.get("index", "")))
            started = time.perf_counter()
            results = self._index.search(self._matcher, query, top=top)
        finally:
            self._lock.release()
        return {
            "results": results,
            "n_codes": len(self._index),
            "max_length": self._matcher.max_length,
            "milliseconds": round(1000 * (time.perf_counter() - started), 1),
        }

    def _load(self, checkpoint: str, index: str) -> None:
        from modeling.code_index import load_index, load_matcher

        if checkpoint != self._checkpoint:
            self._matcher, self._checkpoint = None, ""
            self._matcher = load_matcher(checkpoint)
            self._checkpoint = checkpoint
        if index != self._index_path:
            self._index, self._index_path = None, ""
            self._index = load_index(index)
            self._index_path = index


class InferenceBusyError(QuarryError):
    code, status = "busy", 503
    template = "Search is busy with another model. Try again in a moment."


class BadSearchError(QuarryError):
    code, status = "bad_search", 400
    template = "{problem}"


def _checked_query(request: dict[str, Any]) -> tuple[str, int]:
    query, top = request.get("query"), request.get("top", 10)
    if not isinstance(query, str) or not query.strip():
        raise BadSearchError(problem="The query is empty.")
    if len(query) > MAX_QUERY_CHARS:
        raise BadSearchError(
            problem=f"The query has {len(query):,} characters; at most {MAX_QUERY_CHARS:,} are searched."
        )
    if not isinstance(top, int) or not 1 <= top <= MAX_TOP:
        raise BadSearchError(problem=f"`top` must be a whole number from 1 to {MAX_TOP}.")
    return query, top


def run_inference(*, idle_s: float = 600.0) -> None:
    """Serves searches until SIGTERM or SIGINT; refuses to start where another process already answers."""
    _refuse_second_process()
    server = Server(Engine().handlers(), idle_s=idle_s, on_idle=_renew_process)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: server.stop())
    server.serve()


class AlreadyRunningError(QuarryError):
    code, status = "already_running", 409
    template = "The inference process already runs for this QUARRY_HOME (process {pid})."


def _refuse_second_process() -> None:
    from modeling.inference_client import ask

    if LISTENER_VARIABLE in os.environ:
        return
    try:
        pid = ask({"op": "ping"}, timeout=2.0)["pid"]
    except QuarryError:
        return
    raise AlreadyRunningError(pid=pid)


def _renew_process(listener: socket.socket) -> None:
    """Replaces this process by a fresh one; connections wait in the listener meanwhile."""
    logger.info("idle: giving the model's memory back")
    os.set_inheritable(listener.fileno(), True)
    os.environ[LISTENER_VARIABLE] = str(listener.fileno())
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def _inherited_listener() -> socket.socket | None:
    """The listening socket of the process that this one replaced."""
    number = os.environ.pop(LISTENER_VARIABLE, "")
    if not number:
        return None
    try:
        listener = socket.socket(fileno=int(number))
        listener.getsockname()
    except (OSError, ValueError):
        return None
    os.set_inheritable(listener.fileno(), False)
    return listener


def _written_token() -> str:
    try:
        return str(json.loads(address_path().read_text(encoding="utf-8"))["token"])
    except (OSError, ValueError, KeyError):
        return ""


def _new_listener() -> socket.socket:
    path = Path(settings.QUARRY_HOME) / "inference.sock"
    if not hasattr(socket, "AF_UNIX") or len(os.fsencode(path)) > SOCKET_PATH_MAX_BYTES:
        return socket.create_server(("127.0.0.1", 0), backlog=MAX_CONNECTIONS)
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = os.umask(0o177)  # the socket must never exist with a wider mode
    try:
        listener.bind(str(path))
    finally:
        os.umask(mask)
    listener.listen(MAX_CONNECTIONS)
    return listener


def _write_address(listener: socket.socket, token: str) -> None:
    name = listener.getsockname()
    address = {"path": name} if isinstance(name, str) else {"port": name[1]}
    target = address_path()
    partial = target.with_suffix(f".{os.getpid()}")
    handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump({**address, "token": token, "pid": os.getpid()}, file)
    partial.replace(target)
