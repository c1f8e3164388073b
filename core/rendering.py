"""Code and Markdown to safe HTML. No database."""

from collections.abc import Sequence
from functools import cache, lru_cache

import nh3
from markdown_it import MarkdownIt
from markdown_it.token import Token
from pygments import highlight as pygments_highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import TextLexer, get_lexer_by_name
from pygments.util import ClassNotFound

MAX_HIGHLIGHT_CHARS = 100_000  # longer code is shown without colour, at once
TEXT_TAGS = {"p", "h2", "h3", "h4", "h5", "h6", "strong", "em", "s", "code", "pre", "blockquote", "hr", "br", "a"}
LIST_TAGS = {"ul", "ol", "li", "table", "thead", "tbody", "tr", "th", "td"}


@lru_cache(maxsize=512)
def highlighted(code: str, language: str = "python") -> str:
    """A focusable `pre` with pygments classes; an unknown language is shown plain."""
    try:
        # A PHP function stands without the opening tag of its file.
        lexer = get_lexer_by_name(language, stripnl=False, ensurenl=False, startinline=True)
    except ClassNotFound:
        lexer = TextLexer(stripnl=False, ensurenl=False)
    if len(code) > MAX_HIGHLIGHT_CHARS:
        lexer = TextLexer(stripnl=False, ensurenl=False)
    inner = pygments_highlight(code, lexer, _formatter())
    return f'<pre class="code" tabindex="0"><code>{inner}</code></pre>'


@cache
def _formatter() -> HtmlFormatter:
    """One for all: making it reads the whole style, which takes as long as colouring a short function."""
    return HtmlFormatter(nowrap=True)


@lru_cache(maxsize=64)
def markdown_html(text: str) -> str:
    """CommonMark with tables. Raw HTML in the text stays text, links are http(s) or mailto, headings start at h2."""
    parser = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
    tokens = parser.parse(text)
    _lower_headings(tokens)
    _make_tables_focusable(tokens)
    return nh3.clean(
        parser.renderer.render(tokens, parser.options, {}),
        tags=TEXT_TAGS | LIST_TAGS,
        attributes={"a": {"href", "title"}, "ol": {"start"}, "table": {"tabindex"}},
        url_schemes={"http", "https", "mailto"},
        link_rel="noopener noreferrer",
    )


def _lower_headings(tokens: Sequence[Token]) -> None:
    """h1 -> h2 and so on: the page has its own h1."""
    for token in tokens:
        if token.type in {"heading_open", "heading_close"}:
            token.tag = f"h{min(6, int(token.tag[1]) + 1)}"


def _make_tables_focusable(tokens: Sequence[Token]) -> None:
    """A table that is wider than a phone scrolls; keys scroll only what can have the focus."""
    for token in tokens:
        if token.type == "table_open":
            token.attrSet("tabindex", "0")
