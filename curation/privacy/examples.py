"""Strings with the shape of something private that code holds as examples and constants."""

import re

from curation.privacy.finding import Finding
from curation.privacy.keys import is_key_shape
from curation.privacy.kinds import CARD, EMAIL, SECRET, URL_LOGIN, USER_PATH
from curation.privacy.numbers import TEST_CARDS

# Names reserved for examples (RFC 2606, RFC 6761), and hosts that documentation uses in their place.
_EXAMPLE_HOST = re.compile(
    r"(?:^|[@.])(?:(?:example|test|foo|bar|domain|mydomain|yourdomain|company|host|server|somewhere|email|mail|acme)"
    r"\.(?:com|org|net|edu|co|io|de|gov)|[\w.-]+\.(?:example|test|invalid|local|localhost|localdomain)|localhost"
    r"|[a-z]\.[a-z]{2,3}|users\.noreply\.github\.com)$",
    re.IGNORECASE,
)
_URL_HOST = re.compile(r"@([\w.-]+)|://([\w.-]+)")
# Lists and teams, not people.
_ROLES = re.compile(
    r"^(?:info|support|help|admin|webmaster|noreply|no-reply|contact|security|bugs?|dev|user|users|name|me|you|someone"
    r"|somebody|foo|bar|baz|test\w*|[a-z]|first\.?last|firstname\.lastname|postmaster|root)@|[\w-]*(?:list|-dev|-users|-bugs?)@",
    re.IGNORECASE,
)
_EXAMPLE_PEOPLE = re.compile(
    r"[\\/](?:alice|bob|joe|john|jane|foo|bar|me|example|someuser|my\w*)(?:[\\/]|$)", re.IGNORECASE
)


def is_example(text: str, finding: Finding) -> bool:
    """Whether a finding in code or documentation is the kind of sample that belongs there."""
    found = text[finding.start : finding.end]
    if finding.reason == EMAIL:
        return bool(_EXAMPLE_HOST.search(found) or _ROLES.match(found))
    if finding.reason == URL_LOGIN:
        hosts = ["".join(parts) for parts in _URL_HOST.findall(found)]
        return any(_EXAMPLE_HOST.search(host) for host in hosts)
    if finding.reason == SECRET:
        return not is_key_shape(found)
    if finding.reason == CARD:
        return re.sub(r"\D", "", found) in TEST_CARDS or found.isdigit()
    if finding.reason == USER_PATH:
        return _EXAMPLE_PEOPLE.search(found) is not None
    return False
