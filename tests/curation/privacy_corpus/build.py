"""Writes the corpus of private strings and look-alikes: `python -m tests.curation.privacy_corpus.build`.

Two halves with sentences and generators' seeds of their own. `tuned.csv` is what the detectors may be worked on with;
`held_out.csv` was written before, and is only ever measured. Numbers carry valid check digits and stand for nobody:
reserved or fictional ranges where there are some (RFC 2606, 5737, 3849, 7042; 555-01xx; Ofcom, ACMA and ARCEP numbers
for drama), seeded chance elsewhere.
"""

import csv
import itertools
import random
import string
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).parent
PER_REASON = 16
Maker = Callable[[random.Random], str]

FIRST = {
    "tuned": ["ada", "jonas", "mira", "tomasz", "leila", "henrik", "sofia", "pavel", "nora", "yusuf"],
    "held_out": ["grete", "oskar", "ines", "dmitri", "aiko", "bruno", "freya", "matteo", "zanele", "ravi"],
}
LAST = {
    "tuned": ["keller", "novak", "okafor", "lindgren", "marsh", "duarte", "petrov", "haddad", "olsen", "brandt"],
    "held_out": ["weber", "costa", "yilmaz", "nakamura", "byrne", "kowalczyk", "moreau", "silva", "khan", "dahl"],
}
FRAMES = {
    "tuned": [
        "python {} how to parse",
        "regex match {} python",
        "why does {} fail in python",
        "{} python",
        "python read {} from string",
        "how do i use {} in python script",
        "python split '{}'",
        "extract ({}) with re python",
    ],
    "held_out": [
        "python script for {}",
        "pandas column contains {}",
        "{} not working python 3",
        "how can python handle {}?",
        "print {} in python",
        "python dictionary key {} missing",
        'python replace "{}" with stars',
        "error with {} in my python code",
    ],
}


def digits(rng: random.Random, n: int) -> str:
    return "".join(rng.choice(string.digits) for _ in range(n))


def luhn(body: str) -> str:
    """The digits with their Luhn check digit (doubling from the right, the check digit's neighbour first)."""
    total = 0
    for place, digit in enumerate(reversed(body)):
        value = int(digit) * (1 if place % 2 else 2)
        total += value - 9 if value > 9 else value
    return body + str(-total % 10)


def person(rng: random.Random, half: str) -> tuple[str, str]:
    return rng.choice(FIRST[half]), rng.choice(LAST[half])


def email(rng: random.Random, half: str) -> str:
    first, last = person(rng, half)
    host = rng.choice(["example.com", "example.org", "mail.example.net", "uni.example.edu", "firma.example"])
    form = rng.choice(["{0}.{1}", "{0}_{1}", "{0}{1}{2}", "{0}+{1}", "{1}.{0}"])
    address = f"{form.format(first, last, rng.randrange(10, 99))}@{host}"
    return address.upper() if rng.random() < 0.1 else address


def phone(rng: random.Random, half: str) -> str:
    tail = f"01{rng.randrange(100):02d}"
    area = rng.choice(["202", "415", "617", "312", "503"])
    shapes = [
        f"+1 {area} 555 {tail}",
        f"({area}) 555-{tail}",
        f"{area}-555-{tail}",
        f"+1{area}555{tail}",
        f"{area}.555.{tail}",
        f"+44 20 7946 0{digits(rng, 3)}",
        f"07700 900{digits(rng, 3)}",
        f"+447700900{digits(rng, 3)}",
        f"020 7946 0{digits(rng, 3)}",
        f"+61 491 570 {digits(rng, 3)}",
        f"+33 1 99 00 {digits(rng, 2)} {digits(rng, 2)}",
        f"01 99 00 {digits(rng, 2)} {digits(rng, 2)}",
        f"+49 30 23125 {digits(rng, 3)}",
        f"0171-39200{digits(rng, 2)}",
        f"0049 171 39200{digits(rng, 2)}",
        f"call 555{tail}",
    ]
    return rng.choice(shapes)


def card(rng: random.Random, half: str) -> str:
    start, length = rng.choice([("4000", 16), ("5100", 16), ("3400", 15), ("6011", 16), ("2221", 16), ("4242", 16)])
    number = luhn(start + digits(rng, length - 1 - len(start)))
    if rng.random() < 0.4:
        return number
    mark = rng.choice([" ", "-"])
    cuts = [0, 4, 10, 15] if length == 15 else [0, 4, 8, 12, 16]
    return mark.join(number[a:b] for a, b in itertools.pairwise(cuts))


def iban(rng: random.Random, half: str) -> str:
    country, shape = rng.choice(
        [("DE", 18), ("AT", 16), ("CH", 17), ("ES", 20), ("BE", 12), ("DK", 14), ("PL", 24), ("GB", 0), ("NL", 0)]
    )
    body = (
        digits(rng, shape)
        if shape
        else ("".join(rng.choices(string.ascii_uppercase, k=4)) + digits(rng, 14 if country == "GB" else 10))
    )
    number = "".join(str(int(mark, 36)) for mark in body + country)
    whole = f"{country}{98 - int(number + '00') % 97:02d}{body}"
    if rng.random() < 0.5:
        return whole.lower() if rng.random() < 0.3 else whole
    return " ".join(whole[at : at + 4] for at in range(0, len(whole), 4))


def address(rng: random.Random, half: str) -> str:
    last = rng.randrange(3, 250)
    return rng.choice(
        [
            f"192.0.2.{last}",
            f"198.51.100.{last}",
            f"203.0.113.{last}",
            f"203.0.113.{last}:{rng.randrange(1024, 9999)}",
            f"192.168.{rng.randrange(2, 250)}.{last}",
            f"10.{rng.randrange(3, 250)}.{rng.randrange(3, 250)}.{last}",
            f"172.{rng.randrange(16, 31)}.{rng.randrange(3, 250)}.{last}",
            f"2001:db8:{rng.randrange(4096, 65535):x}::{rng.randrange(4096, 65535):x}:{last:x}",
            f"2001:0db8:85a3:0000:0000:8a2e:{rng.randrange(4096, 65535):04x}:7334",
            f"fe80::{rng.randrange(4096, 65535):x}:{rng.randrange(4096, 65535):x}:{rng.randrange(4096, 65535):x}",
        ]
    )


def mac(rng: random.Random, half: str) -> str:
    parts = ["00", "00", "5e", "00", "53", f"{rng.randrange(3, 256):02x}"]
    if rng.random() < 0.5:
        parts = [rng.choice(["02", "06", "0a", "0e"]), *(f"{rng.randrange(1, 256):02x}" for _ in range(5))]
    whole = rng.choice([":", "-"]).join(parts)
    shapes = [whole, whole.upper(), "".join(parts[:2]) + "." + "".join(parts[2:4]) + "." + "".join(parts[4:])]
    return rng.choices(shapes, weights=[5, 3, 2])[0]


def token(rng: random.Random, n: int, marks: str = string.ascii_letters + string.digits) -> str:
    """Random marks with several digits among them, as any real token of this length has."""
    while True:
        made = "".join(rng.choices(marks, k=n))
        if sum(mark.isdigit() for mark in made) >= 3:
            return made


def secret(rng: random.Random, half: str) -> str:
    upper = string.ascii_uppercase + string.digits
    shapes = [
        f"AKIA{token(rng, 16, upper)}",
        f"ghp_{token(rng, 36)}",
        f"github_pat_{token(rng, 22)}_{token(rng, 40)}",
        f"sk-{token(rng, 40)}",
        f"sk-proj-{token(rng, 40)}",
        f"xoxb-{digits(rng, 11)}-{token(rng, 24)}",
        f"AIza{token(rng, 35)}",
        f"hf_{token(rng, 34)}",
        f"glpat-{token(rng, 20)}",
        f"sk_live_{token(rng, 24)}",
        f"eyJ{token(rng, 20)}.eyJ{token(rng, 30)}.{token(rng, 43)}",
        f"password={token(rng, 10)}!",
        f"api_key = '{token(rng, 24)}'",
        f"token: {token(rng, 32, '0123456789abcdef')}",
        f"{token(rng, 40)}",
        f"{token(rng, 64, '0123456789abcdef')}",
        f"{digits(rng, 10)}:AA{token(rng, 33)}",
        f"secret is {token(rng, 12)}",
        f"npm_{token(rng, 36)}",
        f"dop_v1_{token(rng, 64, '0123456789abcdef')}",
    ]
    return rng.choice(shapes)


def long_number(rng: random.Random, half: str) -> str:
    while True:
        made = rng.choice("23456789") + digits(rng, rng.choice([9, 10, 11, 12, 13, 17, 19]))
        if len(set(made)) > 4 and not made.endswith("000") and not made.startswith(("978", "979", "20")):
            return made


def user_path(rng: random.Random, half: str) -> str:
    first, last = person(rng, half)
    name = rng.choice([first, last, first[0] + last, f"{first}.{last}", f"{first}{rng.randrange(10, 99)}"])
    return rng.choice(
        [
            f"/home/{name}/projects/data.csv",
            f"/Users/{name}/Desktop/test.py",
            f"C:\\Users\\{name}\\Documents\\report.xlsx",
            f"c:/users/{name}/anaconda3/python.exe",
            f"/home/{name}/.ssh/id_rsa",
            f"C:\\\\Users\\\\{name}\\\\venv",
            f"/Users/{name}/Library/Caches",
            f"file:///home/{name}/notes.txt",
            f"D:\\Users\\{name}\\x.txt",
        ]
    )


def url_login(rng: random.Random, half: str) -> str:
    first, last = person(rng, half)
    return rng.choice(
        [
            f"https://{first}:{token(rng, 9)}@git.example.org/{last}.git",
            f"postgresql://{first}:{token(rng, 8)}@db.example.com:5432/shop",
            f"mongodb+srv://{last}:{token(rng, 11)}@cluster0.example.net/test",
            f"ftp://{last}:{token(rng, 7)}@ftp.example.com/pub",
            f"redis://:{token(rng, 14)}@cache.example.org:6379/0",
            f"https://api.example.com/v1?api_key={token(rng, 24)}",
            f"https://example.org/callback?access_token={token(rng, 32)}",
            f"http://example.net/reset?token={token(rng, 20)}&lang=en",
            f"https://storage.example.com/file?sig={token(rng, 30)}",
            f"mysql+pymysql://{first}:{token(rng, 10)}@localhost/{last}",
            f"https://example.com/#access_token={token(rng, 28)}",
        ]
    )


def _mod11(body: str, weights: list[int]) -> int:
    return sum(int(digit) * weight for digit, weight in zip(body, weights, strict=True)) % 11


def _cpf(rng: random.Random) -> str:
    body = digits(rng, 9)
    for first in (10, 11):
        rest = _mod11(body, list(range(first, 1, -1)))
        body += str(0 if rest < 2 else 11 - rest)
    return f"{body[:3]}.{body[3:6]}.{body[6:9]}-{body[9:]}"


def _born(rng: random.Random) -> tuple[str, str, str]:
    return f"{rng.randrange(50, 99)}", f"{rng.randrange(1, 13):02d}", f"{rng.randrange(1, 29):02d}"


def _pesel(rng: random.Random) -> str:
    body = "".join(_born(rng)) + digits(rng, 4)
    return body + str(-sum(int(d) * w for d, w in zip(body, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3), strict=True)) % 10)


def _dni(rng: random.Random) -> str:
    number = rng.randrange(10_000_000, 99_999_999)
    return f"{number}{'TRWAGMYFPDXBNJZSQVHLCKE'[number % 23]}"


def _hetu(rng: random.Random) -> str:
    year, month, day = _born(rng)
    number = f"{rng.randrange(2, 899):03d}"
    return f"{day}{month}{year}-{number}{'0123456789ABCDEFHJKLMNPRSTUVWXY'[int(day + month + year + number) % 31]}"


def _ahv(rng: random.Random) -> str:
    body = "756" + digits(rng, 9)
    check = -sum(int(d) * (3 if place % 2 else 1) for place, d in enumerate(body)) % 10
    return f"756.{body[3:7]}.{body[7:11]}.{body[11]}{check}"


def _personnummer(rng: random.Random) -> str:
    year, month, day = _born(rng)
    whole = luhn(year + month + day + digits(rng, 3))
    return f"{whole[:6]}-{whole[6:]}"


def _nir(rng: random.Random) -> str:
    year, month, _ = _born(rng)
    body = f"{rng.choice('12')}{year}{month}{rng.randrange(1, 95):02d}{digits(rng, 3)}{digits(rng, 3)}"
    check = f"{97 - int(body) % 97:02d}"
    return f"{body[0]} {body[1:3]} {body[3:5]} {body[5:7]} {body[7:10]} {body[10:]} {check}"


def _rut(rng: random.Random) -> str:
    body = str(rng.randrange(5_000_000, 24_999_999))
    total = sum(int(d) * (2 + place % 6) for place, d in enumerate(reversed(body)))
    check = "0123456789K0"[11 - total % 11] if total % 11 else "0"
    return f"{int(body):,}".replace(",", ".") + f"-{check}"


def _sin(rng: random.Random) -> str:
    whole = luhn(rng.choice("1234567") + digits(rng, 7))
    return f"SIN {whole[:3]}-{whole[3:6]}-{whole[6:]}"


def _ssn(rng: random.Random) -> str:
    return rng.choice(
        [
            "078-05-1120",
            "219-09-9999",
            f"{rng.randrange(1, 665):03d}-{rng.randrange(1, 99):02d}-{rng.randrange(1, 9999):04d}",
        ]
    )


def _nino(rng: random.Random) -> str:
    prefix = rng.choice(["AB", "CE", "JK", "PR", "ST"])
    body = digits(rng, 6)
    return rng.choice([f"{prefix}{body}C", f"{prefix} {body[:2]} {body[2:4]} {body[4:]} A"])


def _fiscal(rng: random.Random) -> str:
    """An Italian fiscal code; the check letter by the tables of the decree of 23 December 1976."""
    year, _, day = _born(rng)
    body = (
        "".join(rng.choices("BCDFGLMNPRSTV", k=6))
        + year
        + rng.choice("ABCDEHLMPRST")
        + day
        + rng.choice("ABCDEFGHIL")
        + f"{rng.randrange(100, 999)}"
    )
    odd = dict(
        zip(
            string.digits + string.ascii_uppercase,
            [
                1,
                0,
                5,
                7,
                9,
                13,
                15,
                17,
                19,
                21,
                1,
                0,
                5,
                7,
                9,
                13,
                15,
                17,
                19,
                21,
                2,
                4,
                18,
                20,
                11,
                3,
                6,
                8,
                12,
                14,
                16,
                10,
                22,
                25,
                24,
                23,
            ],
            strict=True,
        )
    )
    total = sum(
        odd[mark] if place % 2 == 0 else int(mark) if mark.isdigit() else ord(mark) - 65
        for place, mark in enumerate(body)
    )
    return body + string.ascii_uppercase[total % 26]


def national_id(rng: random.Random, half: str) -> str:
    return rng.choice([_cpf, _pesel, _dni, _hetu, _ahv, _personnummer, _nir, _rut, _sin, _ssn, _nino, _fiscal])(rng)


MAKERS: dict[str, Callable[[random.Random, str], str]] = {
    "e-mail": email,
    "phone number": phone,
    "payment card": card,
    "IBAN": iban,
    "IP address": address,
    "MAC address": mac,
    "secret": secret,
    "long number": long_number,
    "national id": national_id,
    "user path": user_path,
    "URL with credentials": url_login,
}


def private(half: str) -> list[tuple[str, str]]:
    """(reason, query) pairs, every one different."""
    rng = random.Random(f"private {half}")
    made: dict[str, str] = {}
    for reason, maker in MAKERS.items():
        wanted = len(made) + PER_REASON
        while len(made) < wanted:
            made[rng.choice(FRAMES[half]).format(maker(rng, half))] = reason
    return [(reason, text) for text, reason in made.items()]


def main() -> None:
    """Writes both files; the look-alikes stand in `<half>_pass.txt`, written by hand, one a line."""
    for half in FRAMES:
        passing = (HERE / f"{half}_pass.txt").read_text(encoding="utf-8").splitlines()
        with (HERE / f"{half}.csv").open("w", encoding="utf-8", newline="") as file:
            rows = csv.writer(file, lineterminator="\n")
            rows.writerow(["reason", "text"])
            rows.writerows([*private(half), *(("", line) for line in passing if line)])


if __name__ == "__main__":
    main()
