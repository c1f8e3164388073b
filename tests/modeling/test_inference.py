"""The inference process: a real one in a subprocess, with the cheap encoder."""

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from django.conf import settings

from core.encoding import HashingEncoder
from modeling import inference_client
from modeling.inference_client import (
    SearchNotRunningError,
    SearchRefusedError,
    SearchTimeoutError,
    address_path,
    ask,
    is_running,
)

CODES = ["def read csv file into dict", "def sort a list", "def open socket", "def parse json text"]


def write_small_index(home: Path) -> str:
    folder = home / "indexes" / "1" / "abc"
    folder.mkdir(parents=True)
    np.save(folder / "ids.npy", np.array([11, 12, 13, 14]))
    np.save(folder / "vectors.npy", HashingEncoder().encode(CODES))
    return "indexes/1/abc"


@pytest.fixture
def home(tmp_path, settings):
    settings.QUARRY_HOME = tmp_path
    return tmp_path


def start(home: Path, *options: str) -> subprocess.Popen:
    command = [sys.executable, "manage.py", "inference", *options]
    env = {**os.environ, "QUARRY_HOME": str(home), "PYTHONWARNINGS": "ignore"}
    process = subprocess.Popen(command, cwd=settings.BASE_DIR, env=env, stderr=subprocess.PIPE, stdout=subprocess.PIPE)
    deadline = time.monotonic() + 30
    while not is_running():
        assert time.monotonic() < deadline, "the inference process did not start"
        assert process.poll() is None, process.stderr.read().decode()
        time.sleep(0.05)
    return process


@pytest.fixture
def process(home):
    running = start(home, "--idle", "1")
    yield running
    running.kill()
    running.communicate()


def search(index: str, query: str, changes: dict | None = None):
    request = {"op": "search", "checkpoint": "hashing", "index": index, "query": query, "top": 2}
    return ask(request | (changes or {}), timeout=20)


def wait_until_unloaded() -> None:
    deadline = time.monotonic() + 20
    while ask({"op": "ping"}, timeout=10)["checkpoint"]:
        assert time.monotonic() < deadline, "the model was not released"
        time.sleep(0.1)


def test_it_ranks_an_index_releases_the_model_after_a_rest_and_loads_it_again(home, process):
    index = write_small_index(home)
    assert not any("torch" in line for line in Path(f"/proc/{process.pid}/maps").read_text().splitlines())
    answer = search(index, "sort list")
    assert answer["results"][0][0] == 12
    assert (answer["n_codes"], len(answer["results"])) == (4, 2)
    assert ask({"op": "ping"})["checkpoint"] == "hashing"
    wait_until_unloaded()
    assert ask({"op": "ping"})["pid"] == process.pid
    assert search(index, "parse json")["results"][0][0] == 14


def test_its_address_is_for_its_owner_only(home, process):
    assert stat.S_IMODE(address_path().stat().st_mode) == 0o600
    address = json.loads(address_path().read_text())
    if "path" in address:
        assert stat.S_IMODE(Path(address["path"]).stat().st_mode) == 0o600
    address["token"] = "guessed"
    address_path().write_text(json.dumps(address))
    with pytest.raises(SearchRefusedError, match="secret"):
        ask({"op": "ping"})


def test_bad_requests_are_refused_in_plain_words_and_do_not_end_it(home, process):
    index = write_small_index(home)
    for changes, words in [
        ({"query": " "}, "empty"),
        ({"query": "x" * 3000}, "3,000 characters"),
        ({"top": 0}, "from 1 to"),
        ({"index": "indexes/none"}, "Build it again"),
        ({"index": "../elsewhere"}, "folder of indexes"),
        ({"op": "dance"}, "no known operation"),
    ]:
        with pytest.raises(SearchRefusedError, match=words):
            search(index, "sort list", changes)
    assert search(index, "sort list")["results"]


def test_a_second_process_for_the_same_home_is_refused(home, process):
    second = subprocess.run(
        [sys.executable, "manage.py", "inference"],
        cwd=settings.BASE_DIR,
        env={**os.environ, "QUARRY_HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert second.returncode == 2
    assert f"process {process.pid}" in second.stderr


def test_it_ends_on_sigterm_and_leaves_nothing_behind(home):
    process = start(home)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=10)
    assert process.returncode == 0
    assert not address_path().exists()
    assert not is_running()


def test_a_home_with_a_long_path_is_served_over_loopback(tmp_path, settings):
    settings.QUARRY_HOME = tmp_path / ("long" * 30)
    settings.QUARRY_HOME.mkdir()
    process = start(settings.QUARRY_HOME)
    try:
        assert "port" in json.loads(address_path().read_text())
        assert ask({"op": "ping"})["pid"] == process.pid
    finally:
        process.kill()
        process.communicate()


def test_without_a_process_the_client_says_how_to_start_one(home):
    with pytest.raises(SearchNotRunningError, match=r"manage\.py up"):
        ask({"op": "ping"})


def test_a_silent_process_is_given_up_after_the_timeout(home):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = {"port": listener.getsockname()[1], "token": "t"}
        address_path().write_text(json.dumps(address))
        with pytest.raises(SearchTimeoutError, match="no answer within"):
            ask({"op": "ping"}, timeout=0.2)


def test_an_overlong_frame_is_not_read():
    left, right = socket.socketpair()
    with left, right:
        left.sendall((inference_client.MAX_FRAME_BYTES + 1).to_bytes(4, "big"))
        with pytest.raises(ValueError, match="longer than"):
            inference_client.receive_frame(right)
