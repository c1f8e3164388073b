"""Documentation comments to plain text: Javadoc, JSDoc, PHPDoc, godoc, RDoc. Pure."""

import re

_OPENING, _CLOSING = re.compile(r"^\s*/\*+!?"), re.compile(r"\*+/\s*$")
_STAR = re.compile(r"^\s*\*+ ?")
_LINE_MARK = re.compile(r"^\s*(?:#+|/{2,}) ?")
_INLINE_TAG = re.compile(r"\{@\w+\s+([^{}]*)\}")
_HTML = re.compile(r"</?(?:p|br|code|pre|b|i|em|strong|ul|ol|li|tt|dl|dt|dd|blockquote|h[1-6])\b[^<>]{0,100}>", re.I)
_RUBY_BLOCK = re.compile(r"\A=begin\b.*\n|^=end\b.*\Z", re.MULTILINE)
_DIRECTIVE = re.compile(r"^(?:go:\w+|\+build|rubocop:|frozen_string_literal:|encoding:|coding:|:nodoc:|eslint-)")


def clean_block(text: str) -> str:
    """A `/** ... */` comment as text: without stars and HTML, `{@code x}` as x; block tags such as @param stay."""
    inner = _CLOSING.sub("", _OPENING.sub("", text, count=1))
    lines = [_STAR.sub("", line, count=1).rstrip() for line in inner.split("\n")]
    return _tidy(_HTML.sub("", _INLINE_TAG.sub(r"\1", "\n".join(lines))).split("\n"))


def clean_lines(text: str) -> str:
    """Comment lines that begin with `//` or `#` (or Ruby's =begin block) as text, directives of tools left out."""
    if text.startswith("=begin"):
        return _tidy(_RUBY_BLOCK.sub("", text).split("\n"))
    lines = [_LINE_MARK.sub("", line, count=1).rstrip() for line in text.split("\n")]
    return _tidy([line for line in lines if not _DIRECTIVE.match(line)])


def as_comment(docstring: str, language: str) -> str:
    """Documentation written as a comment of the language, for code that a file keeps apart from it."""
    lines = docstring.split("\n")
    if language in {"go", "ruby"}:
        mark = "//" if language == "go" else "#"
        return "\n".join(f"{mark} {line}".rstrip() for line in lines)
    safe = [line.replace("*/", "* /") for line in lines]
    return "\n".join(["/**", *(f" * {line}".rstrip() for line in safe), " */"])


def _tidy(lines: list[str]) -> str:
    """Lines without empty ones at the ends and without two empty ones in a row."""
    kept: list[str] = []
    for line in lines:
        if line.strip() or (kept and kept[-1]):
            kept.append(line if line.strip() else "")
    return "\n".join(kept).strip()
