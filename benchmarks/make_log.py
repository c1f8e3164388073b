"""A search log of any length, made of our own templates and vocabularies: no line of it was ever asked by anybody.

    python benchmarks/make_log.py 1000000 /tmp/log.tsv [--seed 7]

Columns as in published query logs: AnonID, Query, QueryTime, ItemRank, ClickURL (tab-separated, with a header). Queries
are drawn by a Zipf-like law, so that about three in ten lines bring a new one; about half are about Python. A few
carry made-up private strings, a few lines are broken. The same n and seed give the same bytes, in bounded memory.
"""

import argparse
import hashlib
import random
import sys
from collections.abc import Iterator
from pathlib import Path

HEADER = "AnonID\tQuery\tQueryTime\tItemRank\tClickURL\n"
PRIVATE_SHARE, BAD_SHARE, CLICK_SHARE, NUMBER_SHARE = 0.004, 0.002, 0.6, 0.15
HEAD_SHARE, TAIL_SHARE = 0.45, 0.25  # draws from the few, from the never asked before; the rest lies between
HEAD_QUERIES = 20_000


def _listed(text: str) -> list[str]:
    return text.split("|")


LANGUAGES = ["python"] * 10 + ["python3", "python 2.7", "pandas python", "java", "javascript", "c#", "c++", "go", "php"]
VERBS = _listed(
    "sort|read|write|parse|convert|merge|split|remove|replace|count|find|filter|group|join|plot|draw|iterate|print|"
    "download|upload|open|close|compare|copy|delete|rename|append|insert|reverse|shuffle|sample|round|format|validate|"
    "encode|decode|compress|extract|flatten|rotate|resize|send|receive|schedule|profile|debug|install|import|export"
)
THINGS = _listed(
    "list|dictionary|dict|string|file|csv file|json file|xml|dataframe|column|row|array|matrix|tuple|set|image|date|"
    "datetime|timestamp|float|integer|bytes|unicode|regex|url|html table|pdf|excel sheet|folder|zip file|socket|thread|"
    "process|queue|stack|tree|graph|class|object|attribute|function|lambda|decorator|generator|iterator|module|package|"
    "environment variable|config file|log file|database|sql table|cursor|cookie|session|password hash|random number|"
    "prime numbers|fibonacci numbers|histogram|scatter plot|legend|axis label|tensor|model|layer|gradient|loss function"
)
MANNERS = _listed(
    "by value|by key|by length|by date|in place|in one line|without loop|with numpy|with pandas|using regex|safely|"
    "recursively|from string|from file|to string|to json|to csv|to list|into chunks|line by line|in parallel|"
    "with default value|with condition|by index|by multiple columns|and keep order|without duplicates|fast|efficiently"
)
ASKING = ["", "", "", "", "how to ", "how do i ", "what is ", "why does ", "can you ", "best way to ", "example of "]
OTHER = _listed(
    "weather in {place}|cheap flights to {place}|{thing} definition|{verb} meaning|{place} map|recipe for {thing} soup|"
    "error code {n}|{thing} not working|vs code {thing} extension|{verb} {thing} online|{thing} tutorial pdf|"
    "difference between {thing} and {other}|{lang} vs {lang2}|install {lang} on windows {n}|{lang} download"
)
PLACES = _listed("lisbon|oslo|nairobi|quito|osaka|perth|tunis|graz|leeds|porto|malmo|cusco|hanoi|izmir")
SITES = (
    "docs.example.org/{lang}/reference/{thing}.html",
    "questions.example.com/questions/{n}/{verb}-{thing}-in-{lang}",
    "blog.example.net/2025/{verb}-{thing}",
)


_BAD_LINES = (
    b"\n",
    b"17\n",
    b"4\t\xff\xfe python\t2026-01-01\t\t\n",
    b"5\tpython \x01 sort\t2026-01-01\t\t\n",
    b"6\t \t2026-01-01\t\t\n",
)


def _digits(rng: random.Random, n: int) -> str:
    return "".join(rng.choices("0123456789", k=n))


def _private(rng: random.Random) -> str:
    """A query with something private in it; every value is made up."""
    name = "".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=7))
    return rng.choice(
        [
            f"python send mail to {name}@{rng.choice(PLACES)}mail.com",
            f"call me at +44 20 7946 0{_digits(rng, 3)} python job",
            f"password is {name}{_digits(rng, 4)}! python login",
            f"python open /home/{name}/thesis/data.csv",
            f"ssh {rng.randint(11, 120)}.{rng.randint(16, 250)}.{rng.randint(1, 250)}.{rng.randint(1, 250)} python",
        ]
    )


def _query(rng: random.Random) -> str:
    thing, verb, lang = rng.choice(THINGS), rng.choice(VERBS), rng.choice(LANGUAGES)
    if rng.random() < 0.3:
        return rng.choice(OTHER).format(
            thing=thing, verb=verb, lang=lang, lang2=rng.choice(LANGUAGES), other=rng.choice(THINGS),
            place=rng.choice(PLACES), n=rng.randint(1, 99),
        )  # fmt: skip
    words = f"{rng.choice(ASKING)}{verb} {thing} {rng.choice(MANNERS)}"
    return f"{lang} {words}" if rng.random() < 0.6 else f"{words} in {lang}"


def _numbered(rank: int, seed: int) -> str:
    """The query of a rank, the same every time. A rare one says something particular."""
    digest = hashlib.blake2b(f"{seed}:{rank}".encode(), digest_size=8).digest()
    rng = random.Random(int.from_bytes(digest, "big"))
    if rng.random() < PRIVATE_SHARE:
        return _private(rng)
    text = _query(rng)
    if rank >= HEAD_QUERIES:
        text = f"{text} {rng.choice(VERBS)} {rng.choice(THINGS)} {rng.choice(MANNERS)}"
        if rng.random() < NUMBER_SHARE:
            text = f"{text} {rng.randint(1, 999)}"
    return text


def _ranks(rng: random.Random) -> Iterator[int]:
    """Ranks of queries: the head by 1/rank, the middle evenly over what has come so far, the tail always new."""
    newest = HEAD_QUERIES
    while True:
        draw = rng.random()
        if draw < HEAD_SHARE:
            yield min(HEAD_QUERIES - 1, int(HEAD_QUERIES ** rng.random()) - 1)
        elif draw < HEAD_SHARE + TAIL_SHARE:
            newest += 1
            yield newest
        else:
            yield HEAD_QUERIES + int((newest - HEAD_QUERIES + 1) * rng.random())


def _spelled(text: str, rng: random.Random) -> str:
    draw = rng.random()
    if draw < 0.9:
        return text
    if draw < 0.95:
        return text.capitalize()
    return text.replace(" ", "  ", 1) if draw < 0.98 else text.upper()


def _bad(rng: random.Random) -> bytes:
    return rng.choice(_BAD_LINES)


def lines(n: int, *, seed: int = 7) -> Iterator[bytes]:
    """The header and `n` lines."""
    rng, ranks = random.Random(seed), _ranks(random.Random(seed + 1))
    n_users = max(10, n // 15)
    yield HEADER.encode()
    for number in range(n):
        if rng.random() < BAD_SHARE:
            yield _bad(rng)
            continue
        rank = next(ranks)
        text = _spelled(_numbered(rank, seed), rng)
        day, clock = divmod(number % (100 * 86_400), 86_400)
        time = (
            f"2026-{1 + day // 28:02d}-{1 + day % 28:02d} {clock // 3600:02d}:{clock // 60 % 60:02d}:{clock % 60:02d}"
        )
        click = "\t"
        if rng.random() < CLICK_SHARE:
            words = text.lower()
            url = SITES[rank % len(SITES)].format(lang="python", thing=words[-1], verb=words[0], n=rank)
            click = f"{1 + int(10 * rng.random() ** 3)}\thttps://{url}"
        yield f"{1000 + int(n_users * rng.random() ** 2)}\t{text}\t{time}\t{click}\n".encode()


def write_log(path: Path, n: int, *, seed: int = 7) -> None:
    """Writes the log to a file."""
    with path.open("wb", buffering=2**20) as file:
        for line in lines(n, seed=seed):
            file.write(line)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("n", type=int)
    parser.add_argument("file", type=Path)
    parser.add_argument("--seed", type=int, default=7)
    given = parser.parse_args()
    write_log(given.file, given.n, seed=given.seed)
    sys.stderr.write(f"{given.n:,} lines, {given.file.stat().st_size / 1e6:,.0f} MB\n")


if __name__ == "__main__":
    main()
