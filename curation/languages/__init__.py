"""The programming languages that functions are read from, and the one door to their readers. Knows no database."""

from collections.abc import Callable
from dataclasses import dataclass

from curation.extraction import (
    BROKEN,
    Function,
    Parts,
    UnparsableError,
    decode_source,
    extract_functions,
    parses_as_code,
    recover_functions,
    split_code,
)


@dataclass(frozen=True)
class Language:
    """A language as it is stored (`name`), shown (`title`) and known by the ends of file names."""

    name: str
    title: str
    endings: tuple[str, ...]


LANGUAGES: dict[str, Language] = {
    language.name: language
    for language in (
        Language("python", "Python", (".py", ".pyw")),
        Language("java", "Java", (".java",)),
        Language("javascript", "JavaScript", (".js", ".jsx", ".mjs", ".cjs")),
        Language("typescript", "TypeScript", (".ts", ".tsx", ".mts", ".cts")),
        Language("go", "Go", (".go",)),
        Language("php", "PHP", (".php", ".inc")),
        Language("ruby", "Ruby", (".rb", ".rake")),
    )
}
_BY_ENDING = {ending: language.name for language in LANGUAGES.values() for ending in language.endings}


@dataclass(frozen=True)
class Reading:
    """The functions of one file, and what could not be understood of it (empty: nothing)."""

    functions: list[Function]
    problem: str = ""


def language_of(path: str) -> str:
    """The language of a file by its name; empty when it is none of ours or holds declarations only (`.d.ts`)."""
    name = path.rpartition("/")[2].lower()
    stem, dot, ending = name.rpartition(".")
    if not stem or stem.endswith(".d"):
        return ""
    return _BY_ENDING.get(dot + ending, "")


def read_functions(raw: bytes, language: str, path: str = "") -> Reading:
    """Every function of a file. Errors inside it cost only what they touch; UnparsableError when nothing is left."""
    if language == "python":
        return _read_python(raw)
    from curation.languages.trees import extract_tree

    tree = extract_tree(raw, "tsx" if path.lower().endswith(".tsx") else language)
    if not tree.error_line:
        return Reading(tree.functions)
    broken = sum(function.mark == BROKEN for function in tree.functions)
    return Reading(
        tree.functions,
        f"syntax error near line {tree.error_line}; {len(tree.functions) - broken} functions read, {broken} broken",
    )


def _read_python(raw: bytes) -> Reading:
    source = decode_source(raw)
    try:
        return Reading(extract_functions(source))
    except UnparsableError as error:
        functions = recover_functions(source)
        if not functions:
            raise
        broken = sum(function.mark == BROKEN for function in functions)
        read = len(functions) - broken
        return Reading(functions, f"{error}; read block by block: {read} functions stand alone, {broken} do not parse")


def split_function(text: str, language: str = "python") -> Parts:
    """Name, header, documentation, body and comments of one function's text."""
    if language == "python" or language not in LANGUAGES:
        return split_code(text)
    from curation.languages.trees import split_tree

    try:
        return split_tree(text, language)
    except UnparsableError:
        header, _, body = text.partition("\n")
        return Parts("", header, "", body)


def code_parser(language: str) -> Callable[[str], bool]:
    """Whether a text parses as statements of a language."""
    if language == "python":
        return parses_as_code
    from curation.languages.trees import parses

    return lambda text: parses(text, language)
