"""Token fields of the CoSQA shapes: space-joined code tokens without docstring, and the docstring's first paragraph.

A regular expression, not a parser: it takes any language, code that no longer parses, and 20,000 functions in a second.
"""

import re

_CODE_TOKEN = re.compile(
    r"""(?P<string>[rRbBuUfF]{0,2}(?:\"{3}(?:\\.|[^\\])*?\"{3}|'{3}(?:\\.|[^\\])*?'{3}
                               |\"(?:\\.|[^"\\\n])*\"|'(?:\\.|[^'\\\n])*'))
      |(?P<comment>\#[^\n]*)
      |(?P<continuation>\\\n)
      |(?P<number>0[xXoObB][\da-fA-F_]+|\d[\d_]*\.?(?:[\d_]+)?(?:[eE][+-]?\d+)?[jJlL]?|\.\d+(?:[eE][+-]?\d+)?)
      |(?P<name>\w+)
      |(?P<operator>\*\*=|//=|>>=|<<=|\.\.\.|->|:=|==|!=|<>|<=|>=|\*\*|//|>>|<<|[-+*/%@&|^]=|\S)""",
    re.VERBOSE | re.DOTALL,
)
_DOC_TOKEN = re.compile(r"[^\s,'\"`.():\[\]=*;>{}+\-/\\]+|\.+|\(\)|\[\]|{}|[()\[\]{}]|:+|=+|\*+|;+|>+|\++|-+|/+|\\+")
_END_OF_SUMMARY = re.compile(r"\n\s*\n|^\s*@\w", re.MULTILINE)  # a blank line, or a field list


def code_tokens(code: str) -> str:
    """The tokens of a function joined by single spaces; comments stay, the docstring goes."""
    tokens: list[str] = []
    depth = 0
    at_body = False  # right after the colon that ends the header
    has_body = False
    for match in _CODE_TOKEN.finditer(code):
        token = match.group()
        if at_body and match.lastgroup == "string":
            at_body, has_body = False, True
            continue
        if match.lastgroup == "continuation":
            continue
        at_body = at_body and match.lastgroup == "comment"
        if match.lastgroup == "operator":
            depth += (token in "([{") - (token in ")]}")
            if token == ":" and depth == 0 and not has_body:
                at_body = has_body = True
        tokens.append(token)
    return " ".join(tokens)


def docstring_tokens(docstring: str) -> str:
    """The first paragraph of a docstring as tokens joined by single spaces; commas and quotes are dropped."""
    first = _END_OF_SUMMARY.split(docstring.strip(), maxsplit=1)[0]
    return " ".join(_DOC_TOKEN.findall(first))
