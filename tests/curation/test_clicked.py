"""From clicked addresses to the functions that stand there."""

import pytest

from curation.clicked import (
    NO_FILE,
    NO_FUNCTION,
    NOT_CODE,
    OTHER_COMMIT,
    SEVERAL,
    Place,
    Places,
    clicked_matches,
    read_address,
    repository_name,
)

COMMIT = "a1b2c3d4e5f60718293a4b5c6d7e8f9001020304"
PLACES = Places(
    [
        Place(0, "psf/requests", "src/api.py", COMMIT, 10, 40),
        Place(1, "https://github.com/psf/requests.git", "src/api.py", COMMIT, 20, 25),  # inside the first
        Place(2, "git@github.com:psf/requests", "src/api.py", COMMIT, 50, 60),
        Place(3, "psf/requests", "src/one.py", "", 1, 5),
        Place(4, "group/sub/name", "a b.py", "", 1, 5),
    ]
)
BLOB = "https://github.com/psf/requests/blob"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (f"{BLOB}/main/src/api.py#L12-L15", 0),
        (f"{BLOB}/main/src/api.py#L22", 1),  # the innermost
        (f"{BLOB}/main/src/api.py#L24-L30", 0),  # most of the lines
        (f"{BLOB}/main/src/api.py#L55-L50", 2),
        (f"{BLOB}/feature/new/src/api.py#L55", 2),  # a branch with a slash
        (f"{BLOB}/{COMMIT}/src/api.py#L55", 2),
        (f"{BLOB}/{COMMIT[:8]}/src/api.py#L55", 2),
        (f"{BLOB}/{'f' * 40}/src/api.py#L55", OTHER_COMMIT),
        (f"{BLOB}/main/src/api.py#L45", NO_FUNCTION),
        (f"{BLOB}/main/src/api.py", SEVERAL),
        (f"{BLOB}/main/src/one.py", 3),
        (f"{BLOB}/main/src/none.py", NO_FILE),
        ("https://WWW.GitHub.com/PSF/Requests/blob/main/src/one.py?x=1", 3),
        ("http://github.com/psf/requests/raw/main/src/one.py", 3),
        ("https://raw.githubusercontent.com/psf/requests/refs/heads/main/src/one.py", 3),
        ("https://gitlab.com/group/sub/name/-/blob/main/a%20b.py#L2-3", 4),
        ("https://bitbucket.org/psf/requests/src/main/src/api.py#lines-51:52", 2),
    ],
)
def test_an_address_leads_to_the_function_on_its_lines(url, expected):
    assert PLACES.code_at(read_address(url)) == expected


@pytest.mark.parametrize(
    "url",
    [
        "",
        "https://stackoverflow.com/questions/1",
        "https://github.com/psf/requests",
        "https://github.com/psf/requests/issues/5",
        "https://github.com.evil.org/psf/requests/blob/main/a.py",
        "ftp://github.com/psf/requests/blob/main/a.py",
        "http://[broken",
        "javascript:alert(1)",
        "x" * 5000,
    ],
)
def test_other_addresses_are_none_of_code(url):
    assert read_address(url) is None


def test_names_of_a_repository_are_one():
    names = [
        "Owner/Name",
        "https://github.com/owner/name",
        "git@github.com:owner/name.git",
        "ssh://git@x.org/owner/name/",
    ]
    assert {repository_name(name) for name in names} == {"owner/name"}


def test_the_score_is_the_share_of_all_clicks_of_the_query():
    clicks = [
        (7, f"{BLOB}/main/src/one.py", 3),
        (7, f"{BLOB}/main/src/api.py#L55", 5),
        (7, "https://example.org", 2),
        (2, f"{BLOB}/main/src/api.py", 4),
    ]
    found = clicked_matches(clicks, PLACES)
    assert [(m.query, m.code, m.score, m.rank) for m in found.matches] == [(7, 2, 0.5, 1), (7, 3, 0.3, 2)]
    assert (found.n_clicks, found.n_used) == (14, 8)
    assert found.reasons == {NOT_CODE: 2, SEVERAL: 4}
