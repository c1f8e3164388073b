"""Addresses: mail, machines, home folders, and links that carry a login."""

import ipaddress
import re
from collections.abc import Iterator

from curation.privacy.finding import Finding
from curation.privacy.keys import looks_random
from curation.privacy.kinds import EMAIL, IP, MAC, URL_LOGIN, USER_PATH

# --- mail and links -----------------------------------------------------------------------------------------------

_EMAIL = re.compile(r"[\w.+%-]*\w@(?:[a-z0-9](?:[a-z0-9-]{0,62})\.)+[a-z]{2,24}\b", re.IGNORECASE)
_URL_LOGIN = re.compile(r"\b[a-z][a-z0-9+.-]{1,20}://([^\s/@:]{0,200}):([^\s/@]{1,200})@[^\s/]+", re.IGNORECASE)
_BEFORE_LOGIN = re.compile(r"://[^\s/@]{0,200}:[^\s/@]{0,200}\Z")
_URL_KEY = re.compile(
    r"://\S*?[?&;#](?:\w*token|\w*key|\w*secret|password|passwd|pwd|auth|sig|signature|session\w*)=([^\s&]{8,})",
    re.IGNORECASE,
)
# user:password@host stands for itself in explanations
_PLACEHOLDERS = {
    "", "user", "username", "usr", "pass", "password", "passwd", "pwd", "secret", "name", "login", "xxx", "***",
    "guest", "root", "admin", "postgres", "test", "example", "mypassword", "mypass", "myuser", "token", "your_token",
}  # fmt: skip
# An attribute or a file, not a host: "a@b.T", "requests@2.31.0.tar"
_NO_DOMAIN = {"t", "py", "js", "ts", "md", "txt", "json", "git", "dot", "shape", "png", "jpg", "html"}


def emails(text: str) -> Iterator[Finding]:
    """Mail addresses; `git@host` names a service."""
    if "@" not in text:
        return
    for hit in _EMAIL.finditer(text):
        found = hit.group().lower()
        is_login = _BEFORE_LOGIN.search(text, 0, hit.start()) is not None  # judged as a link, not as mail
        if not is_login and not found.startswith("git@") and found.rpartition(".")[2] not in _NO_DOMAIN:
            yield Finding(EMAIL, *hit.span())


def url_logins(text: str) -> Iterator[Finding]:
    """Links with a user's password, or with a token among their parameters."""
    if "://" not in text:
        return
    for hit in _URL_LOGIN.finditer(text):
        if {part.lower().strip("<>{}[]$") for part in hit.groups()} - _PLACEHOLDERS:
            yield Finding(URL_LOGIN, *hit.span())
    for hit in _URL_KEY.finditer(text):
        if looks_random(hit.group(1)):
            yield Finding(URL_LOGIN, *hit.span())


# --- machines -----------------------------------------------------------------------------------------------------

_IPV4 = re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w]|\.\d)")
_VERSION_TALK = re.compile(r"(?:\bv|\bversions?|\brelease|\bsection|\bchapter|\bbuild|==|>=|<=|~=)\s*$", re.IGNORECASE)
_MACHINE_TALK = re.compile(
    r"\b(?:ip|ips|ipv4|ping|ssh|host\w*|server|connect\w*|socket|proxy|address\w*|telnet|ftp|traceroute|nmap|geoip)\b",
    re.IGNORECASE,
)
SMALLEST_TELLING_OCTET = 12
_NETWORK = re.compile(r"/\d{1,2}\b")
_IPV6 = re.compile(r"(?<![\w:.])(?:[0-9a-f]{0,4}:){2,7}[0-9a-f]{0,4}(?![\w:])", re.IGNORECASE)
_MAC = re.compile(
    r"(?<![\w:-])[0-9a-f]{2}(?:([:-])[0-9a-f]{2})(?:\1[0-9a-f]{2}){4}(?![\w:-])"
    r"|(?<![\w.])[0-9a-f]{4}\.[0-9a-f]{4}\.[0-9a-f]{4}(?![\w.])",
    re.IGNORECASE,
)
_PUBLIC_RESOLVERS = {"8.8.8.8", "8.8.4.4", "1.1.1.1", "1.0.0.1", "9.9.9.9", "1.2.3.4"}


def ip_addresses(text: str) -> Iterator[Finding]:
    """Addresses of machines; not loopback, masks, whole networks, well-known resolvers, or versions."""
    for hit in _IPV4.finditer(text):
        is_network = hit.group().endswith(".0") and _NETWORK.match(text, hit.end())
        if not is_network and _is_telling_ipv4(hit.group()) and not _is_version(text, hit):
            yield Finding(IP, *hit.span())
    if text.count(":") >= 2:
        for hit in _IPV6.finditer(text):
            if _is_telling_ipv6(hit.group()):
                yield Finding(IP, *hit.span())


def _is_version(text: str, hit: re.Match[str]) -> bool:
    """Versions begin with small numbers (10 begins private networks) and stand in no talk of machines."""
    if _VERSION_TALK.search(text[: hit.start()]):
        return True
    octets = [int(octet) for octet in hit.group().split(".")]
    return octets[0] != 10 and max(octets[:3]) < SMALLEST_TELLING_OCTET and not _MACHINE_TALK.search(text)


def _is_telling_ipv4(address: str) -> bool:
    octets = [int(octet) for octet in address.split(".")]
    if max(octets) > 255 or address in _PUBLIC_RESOLVERS:
        return False
    return octets[0] not in {0, 127, 255}  # unspecified, loopback, netmask


def _is_telling_ipv6(address: str) -> bool:
    groups = [group for group in address.split(":") if group]
    if len(groups) < 3 or (len(groups) < 4 and len(groups[0]) < 3):  # a slice or a time of day
        return False
    try:
        return not ipaddress.IPv6Address(address).is_loopback
    except ValueError:
        return False


def mac_addresses(text: str) -> Iterator[Finding]:
    """Hardware addresses in pairs, or in the four-digit groups of routers."""
    for hit in _MAC.finditer(text):
        if len(set(hit.group().lower()) - set(":-.")) > 2:
            yield Finding(MAC, *hit.span())


# --- home folders -------------------------------------------------------------------------------------------------

_USER_PATH = re.compile(r"(?<![\w.])(?:[a-z]:)?[\\/]{1,2}(home|users)[\\/]{1,2}([\w.-]+)", re.IGNORECASE)
_ROUTE_TALK = re.compile(
    r"\b(?:routes?|routing|api|endpoint|url\w*|flask|django|rest|https?|fastapi|request\w*)\b", re.IGNORECASE
)
_NOBODY = {
    "user", "users", "username", "user1", "name", "yourname", "you", "me", "myuser", "ubuntu", "pi", "ec2-user", "root",
    "admin", "public", "default", "shared", "runner", "vagrant", "jovyan", "app", "docker", "linuxbrew",
    "someone", "xxx", "foo", "...", "administrator", "bin", "lib", "login", "test", "profile", "list", "all",
}  # fmt: skip


def user_paths(text: str) -> Iterator[Finding]:
    """Home folders of somebody; not of a stand-in name, and not a route of a web service."""
    if "home" not in (lowered := text.lower()) and "users" not in lowered:
        return
    for hit in _USER_PATH.finditer(text):
        is_route = hit.group(1).lower() == "users" and "\\" not in hit.group() and _ROUTE_TALK.search(text)
        if hit.group(2).lower().strip(".") not in _NOBODY and not is_route:
            yield Finding(USER_PATH, *hit.span())
