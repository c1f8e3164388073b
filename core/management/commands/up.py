"""`manage.py up`: everything Quarry needs, under one supervisor."""

import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from argparse import ArgumentParser
from typing import Any

from core import startup
from core.commands import QuarryCommand, Report
from core.health import ensure_home_marker
from core.supervisor import Service, ServiceFailedError, Supervisor

READY_TIMEOUT_S = 60.0


class Command(QuarryCommand):
    help = "Starts Quarry: web pages, job worker and search, until Ctrl-C."
    requires_system_checks: list[str] = []

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="Address to listen on (default: this machine only).")
        parser.add_argument("--port", type=int, default=8000, help="Port to listen on (default: 8000).")

    def report(self, **options: Any) -> Report:
        started, host = time.monotonic(), options["host"]
        server = startup.bind(host, options["port"])
        port = server.getsockname()[1]
        self._prepare()
        web = Service("web", startup.web_command(server), pass_fds=[server.fileno()], must_start=True)
        supervisor = Supervisor([web], say=self._say)
        try:
            self._start(supervisor, server)
            if not supervisor.is_stopping:
                self._welcome(host, port, time.monotonic() - started)
            supervisor.watch()
        except ServiceFailedError as error:
            self._say(str(error))
            sys.exit(1)
        finally:
            supervisor.stop()
        return Report("Quarry has stopped.", {"stopped": True})

    def _prepare(self) -> None:
        ensure_home_marker()
        if startup.migrate_if_needed():
            self._say("the tables are up to date now")
        startup.collect_static_if_needed()
        if administrator := startup.create_first_administrator():
            self._say("the first administrator (the password is shown only this once):")
            self._say(f"  name      {administrator[0]}")
            self._say(f"  password  {administrator[1]}")
        if command := startup.sample_command():
            self._say("loading the sample project ...")
            if subprocess.run(command, check=False).returncode:
                self._say("the sample project could not be loaded (see above); Quarry starts without it")

    def _start(self, supervisor: Supervisor, server: socket.socket) -> None:
        """Web first: it is what people wait for; the rest follows when it answers."""
        deadline = time.monotonic() + READY_TIMEOUT_S
        supervisor.look_after_all()  # before the first question: nobody would answer it
        while not supervisor.is_stopping and time.monotonic() < deadline and not _answers(server):
            supervisor.look_after_all()
            time.sleep(0.05)
        supervisor.services.append(Service("worker", startup.worker_command()))
        if command := startup.inference_command():
            supervisor.services.append(Service("inference", command))

    def _welcome(self, host: str, port: int, seconds: float) -> None:
        shown = "127.0.0.1" if host in {"0.0.0.0", "::"} else host
        self._say(f"Quarry is ready at http://{f'[{shown}]' if ':' in shown else shown}:{port}/  ({seconds:.1f} s)")
        self._say("Ctrl-C stops it.")

    def _say(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()


def _answers(server: socket.socket) -> bool:
    """Any answer will do, even a refusal: the web process is there."""
    host, port = server.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    url = f"http://{f'[{host}]' if ':' in host else host}:{port}/health/"
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=5):
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
