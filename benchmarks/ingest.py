"""Ingest and filter of a search log (privacy and all rules included), against the plain way, with memory by process.

    python benchmarks/ingest.py --lines 1000000
    python benchmarks/ingest.py --lines 10000000 --no-plain --database postgres://user@host/empty_database

The log comes from benchmarks/make_log.py (or --log FILE with the same columns). The import runs in a process of its
own, with its helpers; memory is what /proc says of each of them, looked at twenty times a second. The plain way is one
loop with a dict, one compiled `re` for each rule, and the ORM's bulk_create; it runs over --plain-lines of that log.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
SAMPLE_S = 0.05
PAGE = os.sysconf("SC_PAGE_SIZE")


def set_up(home: Path, database: str) -> None:
    """Django on a data folder and a database of its own."""
    os.environ["QUARRY_HOME"] = str(home)
    os.environ["DATABASE_URL"] = database
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    import django

    django.setup()


def ingest(log: Path, columns: dict[str, Any]) -> dict[str, Any]:
    """Our way: the job that the page, the API and the command run."""
    from core.jobs import run_inline
    from core.models import Project
    from curation.log_phases import phase_rows
    from curation.reading import LogShape
    from curation.services.logs import start_ingest_log, store_log_file

    project, _ = Project.objects.get_or_create(slug="ours", defaults={"title": "Ours"})
    stored = store_log_file(log)
    started = time.perf_counter()
    start = start_ingest_log(project=project, stored=stored, shape=LogShape(**columns), inline=True)
    if start.job is None:
        raise SystemExit("this database has the log already; give an empty one")
    job = run_inline(start.job)
    seconds = time.perf_counter() - started
    start.log_import.refresh_from_db()
    own, helpers = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return {
        "cpu": [own.ru_utime + own.ru_stime, helpers.ru_utime + helpers.ru_stime],
        "seconds": seconds,
        "report": job.result,
        "phases": phase_rows(start.log_import.phases),
    }


def plain(log: Path, n_lines: int) -> dict[str, Any]:
    """The plain way over the first lines of the log."""
    from core.models import Project
    from core.text import normalise_query, query_hash
    from curation.intent import missing_language_form, read_rule_set
    from curation.intent import shipped_rule_set_text as text_of
    from curation.models import Query, RuleHit, Verdict
    from curation.privacy import quarantine_reason
    from curation.selectors import current_rule_set

    project, _ = Project.objects.get_or_create(slug="plain", defaults={"title": "Plain"})
    rule_set = current_rule_set(project)
    rules = read_rule_set(text_of("cosqa-strict")).rules
    started = time.perf_counter()
    counts: Counter[str] = Counter()
    texts: dict[str, str] = {}
    with log.open("rb") as file:
        next(file)
        for _, line in zip(range(n_lines), file, strict=False):
            cells = line.decode("utf-8", "replace").rstrip("\n").split("\t")
            text = normalise_query(cells[1]) if len(cells) > 1 else ""
            if text:
                key = query_hash(text)
                counts[key] += 1
                texts.setdefault(key, text)
    queries = [
        Query(
            project=project, content_hash=key, text=text, n_seen=counts[key], quarantine_reason=quarantine_reason(text)
        )
        for key, text in texts.items()
    ]
    Query.objects.bulk_create(queries, batch_size=1000)
    hits = []
    for query in queries:
        lowered = query.text.lower()
        found = [rule.form for rule in rules if rule.pattern.search(lowered)]
        hits.append(found if "python" in lowered else [*found, missing_language_form("python")])
    verdicts = [
        Verdict(query=query, rule_set=rule_set, has_intent=not found)
        for query, found in zip(queries, hits, strict=True)
        if not query.quarantine_reason
    ]
    Verdict.objects.bulk_create(verdicts, batch_size=1000)
    by_query = {query.pk: found for query, found in zip(queries, hits, strict=True)}
    rows = [RuleHit(verdict=verdict, rule=form) for verdict in verdicts for form in by_query[verdict.query_id]]
    RuleHit.objects.bulk_create(rows, batch_size=1000)
    return {"seconds": time.perf_counter() - started, "lines": n_lines, "queries": len(queries)}


# --- memory of a family of processes ------------------------------------------------------------------------------


def family(pid: int) -> list[int]:
    """The process and its descendants, by their parents in /proc."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
            parents.setdefault(parent, []).append(int(entry.name))
    found = [pid]
    for one in found:
        found += parents.get(one, [])
    return found


def resident(pid: int) -> int:
    """Resident bytes of a process; 0 when it is gone."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE
    except OSError:
        return 0


def watched(command: list[str]) -> tuple[dict[str, Any], list[int], int]:
    """Runs a command that prints JSON; returns it, the peak of each process (bytes, largest first) and of their sum."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    peaks: Counter[int] = Counter()
    together = 0
    while process.poll() is None:
        now = {pid: resident(pid) for pid in family(process.pid)}
        together = max(together, sum(now.values()))
        for pid, size in now.items():
            peaks[pid] = max(peaks[pid], size)
        time.sleep(SAMPLE_S)
    printed = process.stdout.read() if process.stdout else ""
    if process.returncode:
        raise SystemExit(f"the run ended with status {process.returncode}: {printed[-500:]}")
    return json.loads(printed.splitlines()[-1]), sorted(peaks.values(), reverse=True), together


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--log", type=Path, help="A log made before; else one of --lines lines is made.")
    parser.add_argument("--database", default="", help="URL of an empty database; default: SQLite in a new folder.")
    parser.add_argument("--users", action="store_true", help="Count people too (a hash for each).")
    parser.add_argument("--urls", action="store_true", help="Keep the clicked URLs too.")
    parser.add_argument("--plain-lines", type=int, default=100_000)
    parser.add_argument("--no-plain", action="store_true")
    parser.add_argument("--home", type=Path, help="Data folder; default: a new one that is removed at the end.")
    parser.add_argument("--role", choices=["ours", "plain"], help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.role:
        set_up(given.home, given.database)
        found = ingest(given.log, columns_of(given)) if given.role == "ours" else plain(given.log, given.plain_lines)
        print(json.dumps(found))
        return
    with tempfile.TemporaryDirectory(prefix="quarry-bench-") as folder:
        compare(given, given.home or Path(folder))


def columns_of(given: argparse.Namespace) -> dict[str, Any]:
    """The columns of the log that are read. The query alone, unless more is asked for."""
    from curation.reading import LogFormat

    return {
        "format": LogFormat.TSV,
        "column": "Query",
        "user_column": "AnonID" if given.users else "-",
        "url_column": "ClickURL" if given.urls else "-",
    }


def compare(given: argparse.Namespace, home: Path) -> None:
    """Makes the log and the tables, runs both ways, prints the figures."""
    log = given.log or home / "log.tsv"
    if not given.log:
        from make_log import write_log

        write_log(log, given.lines)
    database = given.database or f"sqlite:///{home / 'bench.sqlite3'}"
    again = [sys.executable, __file__, "--log", str(log), "--database", database, "--home", str(home)]
    again += ["--users"] * given.users + ["--urls"] * given.urls
    migrate(home, database)
    ours, peaks, together = watched([*again, "--role", "ours"])
    report = ours["report"]
    pace = report["read"] / ours["seconds"]
    print(f"{database.partition(':')[0]}: {report['read']:,} lines, {log.stat().st_size / 1e6:,.0f} MB")
    print(f"  distinct {report['distinct']:,}, quarantined {report['quarantined']:,}, bad {report['bad']:,}")
    print(f"  {ours['seconds']:.1f} s, {pace:,.0f} lines/s")
    print(f"  CPU: {ours['cpu'][0]:.1f} s in the writing process, {ours['cpu'][1]:.1f} s in helpers")
    print(f"  load of the machine at the end: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    for phase in ours["phases"]:
        print(f"    {phase['name']:8} {phase['seconds']:7.1f} s")
    shown = ", ".join(f"{size / 1e6:,.0f}" for size in peaks if size > 20e6)
    print(f"  peak MB by process: {shown}; together at most {together / 1e6:,.0f}")
    if not given.database:
        print(f"  database {sum(path.stat().st_size for path in home.glob('bench.sqlite3*')) / 1e6:,.0f} MB")
    if not given.no_plain:
        slow, plain_peaks, _ = watched([*again, "--role", "plain", "--plain-lines", str(given.plain_lines)])
        plain_pace = slow["lines"] / slow["seconds"]
        print(f"plain: {slow['lines']:,} lines, {slow['seconds']:.1f} s, {plain_pace:,.0f} lines/s")
        print(f"  peak MB {plain_peaks[0] / 1e6:,.0f}")
        print(f"ratio {pace / plain_pace:.1f}")


def migrate(home: Path, database: str) -> None:
    """Makes the tables in a process of its own."""
    code = "from django.core.management import call_command as call; call('migrate', verbosity=0, skip_checks=True)"
    env = {
        **os.environ,
        "QUARRY_HOME": str(home),
        "DATABASE_URL": database,
        "DJANGO_SETTINGS_MODULE": "config.settings",
    }
    subprocess.run([sys.executable, "-c", f"import django; django.setup(); {code}"], env=env, cwd=ROOT, check=True)


if __name__ == "__main__":
    main()
