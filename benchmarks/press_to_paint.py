# ruff: noqa: E402  (Django is set up before its models are imported)
"""How long an annotator waits: from the press of a key to the next pair painted, and until the page can be used.

    QUARRY_HOME=/tmp/scratch python benchmarks/press_to_paint.py --presses 100 --others 8 --think 4

Starts a web process as `manage.py up` does on an empty QUARRY_HOME, fills a project with functions of Python's own
library (their first line of documentation is the query), and presses keys in Chromium: `n`, then `y` `1`, in turn. The
time is from the key event to two frames after the pair on screen has changed. --others N: so many further people judge
over HTTP meanwhile and think --think seconds about each pair. Prints one JSON object.
"""

import argparse
import http.client
import importlib
import inspect
import json
import os
import statistics
import subprocess
import sys
import textwrap
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"  # Playwright runs a loop in this thread

import django

django.setup()

from django.conf import settings
from django.test import Client
from playwright.sync_api import Page, sync_playwright

from annotation.services.batches import open_batch
from core import startup
from core.models import Membership, Project, Role, User
from core.text import code_hash, query_hash
from curation.models import Code, Pair, Query

SLUG = "press-to-paint"
MODULES = (
    "argparse",
    "csv",
    "json.decoder",
    "textwrap",
    "statistics",
    "shutil",
    "calendar",
    "difflib",
    "inspect",
    "os",
)
CSRF = "presspresspresspresspresspressab"
PRESS = """(keys) => new Promise((resolve) => {
    let pressed = 0;
    const watch = new MutationObserver(() => {
        watch.disconnect();
        requestAnimationFrame(() => requestAnimationFrame(() => resolve(performance.now() - pressed)));
    });
    watch.observe(document.getElementById("stage"), { childList: true });
    document.addEventListener("keydown", (event) => { if (event.key === keys) pressed = event.timeStamp; },
        { capture: true });
})"""


# --- a project to judge ------------------------------------------------------------------------------------------
def functions() -> Iterator[tuple[str, str, str]]:
    """(query, name, source) of documented functions and methods of the library."""
    seen = set()
    for module in map(importlib.import_module, MODULES):
        holders = [module, *(one for _, one in inspect.getmembers(module, inspect.isclass))]
        for holder in holders:
            for name, one in inspect.getmembers(holder, inspect.isfunction):
                text = inspect.cleandoc(one.__doc__ or "").split("\n")[0].strip()
                source = source_of(one) if text else ""
                if source and source not in seen:
                    seen.add(source)
                    yield f"python {text.rstrip('.').lower()}", name, source


def source_of(function: Any) -> str:
    """Its text from the left margin; empty where Python made it up."""
    try:
        return textwrap.dedent(inspect.getsource(function))
    except OSError:
        return ""


def fill(n_pairs: int, n_people: int) -> list[str]:
    """Tables, people and pairs; returns a session key for each person."""
    startup.migrate_if_needed()
    startup.collect_static_if_needed()
    project, _ = Project.objects.get_or_create(slug=SLUG, defaults={"title": "Press to paint"})
    known, run = list(functions()), uuid.uuid4().hex[:6]
    pairs = []
    for place in range(n_pairs):
        text, name, source = known[place % len(known)]
        text, source = f"{text} {run} {place}", f"{source}# {run} {place}\n"
        query = Query.objects.create(project=project, text=text, content_hash=query_hash(text), n_seen=1)
        header = source.split("\n", 1)[0]
        code = Code.objects.create(
            project=project, name=name, header=header, text=source, body=source, content_hash=code_hash(source)
        )
        pairs.append(Pair.objects.create(project=project, query=query, code=code))
    open_batch(project=project, pairs=pairs, overlap=n_people, max_extra=0, name=f"batch {run}")
    return [_session(project, f"person{number}") for number in range(n_people)]


def _session(project: Project, name: str) -> str:
    user, _ = User.objects.get_or_create(username=name)
    if hasattr(user, "must_consent"):
        User.objects.filter(pk=user.pk).update(must_consent=False)
    Membership.objects.get_or_create(project=project, user=user, role=Role.ANNOTATOR)
    client = Client()
    client.force_login(user)
    return str(client.cookies[settings.SESSION_COOKIE_NAME].value)


# --- other people --------------------------------------------------------------------------------------------------
def judge_along(port: int, session: str, think_s: float, stop: threading.Event, counts: list[int]) -> None:
    """One further person over HTTP: no browser, the same requests as the page."""
    door = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    headers = {
        "Cookie": f"sessionid={session}; csrftoken={CSRF}",
        "X-CSRFToken": CSRF,
        "Content-Type": "application/json",
    }

    def post(path: str, body: dict[str, Any]) -> dict[str, Any]:
        door.request("POST", f"/api/v1/projects/{SLUG}/{path}/", json.dumps(body), headers)
        return dict(json.loads(door.getresponse().read()))

    keys: dict[str, str] = {}
    turn = post("leases", {})
    while not stop.wait(think_s) and turn.get("leases"):
        keys |= {lease["token"]: lease["key"] for lease in turn["leases"] if "key" in lease}
        lease, *ahead = turn["leases"]
        body = {name: lease[name] for name in ("token", "item")} | {"key": keys[lease["token"]], "intent": "no"}
        turn = post("votes", body | {"have": [one["token"] for one in ahead]})
        counts[0] += 1


# --- the browser -----------------------------------------------------------------------------------------------------
def measure_presses(page: Page, presses: int, pause_ms: int) -> dict[str, list[float]]:
    """Milliseconds of each kind of vote."""
    times: dict[str, list[float]] = {"no intent": [], "answer": []}
    for place in range(presses):
        kind, keys = ("no intent", "n") if place % 2 else ("answer", "y1")
        for key in keys[:-1]:
            page.keyboard.press(key)
            page.wait_for_timeout(50)
        page.evaluate(f"(keys) => {{ window.painted = ({PRESS})(keys); }}", keys[-1])
        page.keyboard.press(keys[-1])
        times[kind].append(page.evaluate("() => window.painted"))
        page.wait_for_timeout(pause_ms)
    return times


def measure_load(context: Any, address: str, *, bits: float = 0.0, latency_ms: float = 0.0) -> dict[str, Any]:
    """Requests, bytes as transferred, and seconds until keys are heard; with an empty cache."""
    page = context.new_page()
    cdp = context.new_cdp_session(page)
    cdp.send("Network.enable")
    cdp.send("Network.setCacheDisabled", {"cacheDisabled": True})
    if bits:
        wire = {"offline": False, "latency": latency_ms, "downloadThroughput": bits / 8, "uploadThroughput": bits / 8}
        cdp.send("Network.emulateNetworkConditions", wire)
    kinds: dict[str, str] = {}
    sizes: dict[str, float] = {}
    cdp.on("Network.responseReceived", lambda event: kinds.update({event["requestId"]: event["type"]}))
    cdp.on("Network.loadingFinished", lambda event: sizes.update({event["requestId"]: event["encodedDataLength"]}))
    started = time.perf_counter()
    page.goto(address)
    page.wait_for_selector("#judge.is-live")
    usable = time.perf_counter() - started
    page.wait_for_load_state("networkidle")
    page.close()
    return {
        "requests": len(kinds),
        "transferred_kB": round(sum(sizes.values()) / 1000, 1),
        "javascript_kB": round(sum(size for one, size in sizes.items() if kinds.get(one) == "Script") / 1000, 1),
        "usable_s": round(usable, 2),
    }


def summary(times: list[float]) -> dict[str, float]:
    ordered = sorted(times)
    return {
        "n": len(ordered),
        "median_ms": round(statistics.median(ordered), 1),
        "p95_ms": round(ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))], 1),
        "max_ms": round(ordered[-1], 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--presses", type=int, default=100, help="Votes in the browser (default: 100).")
    parser.add_argument("--pause", type=int, default=300, help="Milliseconds after each vote (default: 300).")
    parser.add_argument("--others", type=int, default=0, help="Further people at work (default: none).")
    parser.add_argument("--think", type=float, default=4.0, help="Seconds that each of them thinks (default: 4).")
    parser.add_argument("--chromium", default=os.environ.get("QUARRY_CHROMIUM", "/usr/bin/chromium"))
    given = parser.parse_args()
    sessions = fill(given.presses + 40, given.others + 1)
    server = startup.bind("127.0.0.1", 0)
    port = server.getsockname()[1]
    web = subprocess.Popen(startup.web_command(server), pass_fds=[server.fileno()])
    stop, counts = threading.Event(), [0]
    try:
        others = [
            threading.Thread(target=judge_along, args=(port, session, given.think, stop, counts))
            for session in sessions[1:]
        ]
        for one in others:
            one.start()
        report = in_browser(given, f"http://127.0.0.1:{port}", sessions[0])
        stop.set()
        for one in others:
            one.join()
        print(json.dumps({"others": given.others, "think_s": given.think, "votes_of_others": counts[0], **report}))
    finally:
        stop.set()
        web.terminate()
        web.wait()


def in_browser(given: argparse.Namespace, origin: str, session: str) -> dict[str, Any]:
    """Loads the page with and without a slow line, then presses keys."""
    address = f"{origin}/p/{SLUG}/judge/"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=given.chromium, args=["--no-sandbox", "--disable-gpu"])
        context = browser.new_context(viewport={"width": 1280, "height": 800})
        context.add_cookies([{"name": "sessionid", "value": session, "url": origin}])
        measure_load(context, address)  # the server's first page costs more than any other
        load = measure_load(context, address)
        slow = measure_load(context, address, bits=1.6e6, latency_ms=150)
        page = context.new_page()
        page.goto(address)
        page.wait_for_selector("#judge.is-live")
        page.wait_for_load_state("networkidle")
        times = measure_presses(page, given.presses, given.pause)
        browser.close()
    everything = [one for kind in times.values() for one in kind]
    return {"load": load, "slow_line": slow, "all": summary(everything)} | {
        kind: summary(few) for kind, few in times.items()
    }


if __name__ == "__main__":
    main()
