"""The short way for ASCII text gives what the long way gives."""

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from core.text import _QUOTES, _SPACES, normalise_query


@given(st.text(st.characters(max_codepoint=127), max_size=60))
def test_ascii_queries_normalise_as_all_others_do(raw):
    plain = _SPACES.sub(" ", unicodedata.normalize("NFKC", raw).translate(_QUOTES)).strip()
    assert normalise_query(raw) == plain


def test_quotes_spaces_and_compatible_forms_become_plain():
    assert normalise_query("  Can’t\u00a0open\tﬁle ") == "Can't open file"
