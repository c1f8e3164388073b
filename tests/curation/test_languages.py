"""Functions of Java, JavaScript, TypeScript, Go, PHP and Ruby, and what is left of files with errors."""

from pathlib import Path

import pytest

from curation.code_filters import reason_to_leave_out
from curation.extraction import BROKEN, OVERLOAD, UnparsableError
from curation.languages import LANGUAGES, language_of, read_functions, split_function
from curation.near_duplicates import tokens_of
from curation.text_views import code_text

SAMPLES = Path(__file__).parent / "code_samples"
FILES = {
    "java": "Inventory.java",
    "javascript": "shapes.js",
    "typescript": "store.ts",
    "go": "queue.go",
    "php": "Finder.php",
    "ruby": "matrix.rb",
}


def sample(language):
    path = SAMPLES / FILES[language]
    return read_functions(path.read_bytes(), language, path.name)


def named(language):
    return {function.name: function for function in sample(language).functions}


@pytest.mark.parametrize(
    ("language", "names"),
    [
        (
            "java",
            [
                "Inventory.Inventory",
                "Inventory.countItems",
                "Inventory.getOwner",
                "Inventory.toString",
                "Inventory.Shelf.put",
            ],
        ),
        (
            "javascript",
            [
                "areaOf",
                "scale",
                "Circle.constructor",
                "Circle.unit",
                "Circle.grow",
                "Circle.shrink",
                "perimeter",
                "Circle.legacy",
            ],
        ),
        ("typescript", ["Shop.parse", "Shop.parse", "Shop.Store.load", "Shop.Store.size", "toPairs"]),
        ("go", ["Queue.Push", "Queue.Len", "Drain"]),
        ("php", ["Finder.__construct", "Finder.find", "Finder.count", "slug"]),
        (
            "ruby",
            ["Numbers.Matrix.initialize", "Numbers.Matrix.transpose", "Numbers.Matrix.identity", "Numbers.Matrix.rows"],
        ),
    ],
)
def test_functions_and_methods_carry_their_class(language, names):
    assert [function.name for function in sample(language).functions] == names
    assert {function.language for function in sample(language).functions} == {language}


@pytest.mark.parametrize(
    ("language", "name", "docstring"),
    [
        (
            "java",
            "Inventory.countItems",
            "Counts the items that are left on a shelf.\n\n@param shelf the shelf to look at\n@return their number",
        ),
        ("javascript", "areaOf", "Computes the area of a shape.\n@param {Shape} shape any closed shape"),
        ("javascript", "perimeter", "Sums the sides of a polygon."),
        ("typescript", "Shop.Store.load", "Loads every row of the store."),
        ("go", "Queue.Push", "Push appends a value to the queue.\nIt never blocks."),
        ("php", "Finder.find", "Finds the first file of a name.\n\n@return string|null"),
        ("ruby", "Numbers.Matrix.transpose", "Swaps rows and columns of the matrix.\n@return [Matrix]"),
    ],
)
def test_documentation_above_is_attached_and_cleaned(language, name, docstring):
    assert named(language)[name].docstring == docstring


@pytest.mark.parametrize("language", FILES)
def test_the_parts_of_a_function_are_pieces_of_its_text_and_lines_of_its_file(language):
    lines = (SAMPLES / FILES[language]).read_text().split("\n")
    for function in sample(language).functions:
        assert function.header in function.text
        assert function.text.rstrip().endswith(function.body.rstrip())
        assert function.end_line - function.start_line == function.text.rstrip("\n").count("\n")
        assert function.text.split("\n")[0] in lines[function.start_line - 1]
        assert function.text.split("\n")[-1].strip() in lines[function.end_line - 1]


def test_headers_end_where_the_body_begins():
    assert named("java")["Inventory.countItems"].header.endswith("throws LostItem {")
    assert named("javascript")["scale"].header == "const scale = (factor) => {"
    assert named("typescript")["toPairs"].header.endswith("[K, V][] =>")
    assert named("ruby")["Numbers.Matrix.transpose"].header == "def transpose"
    assert named("go")["Queue.Push"].header == "func (q *Queue[T]) Push(value T) error {"


def test_dedenting_leaves_strings_over_several_lines_alone():
    text = named("typescript")["Shop.Store.load"].text
    assert "`select *\n      from ${table}`" in text
    assert "\n  const table" in text


def test_decorators_and_annotations_belong_to_the_function():
    assert named("typescript")["Shop.Store.load"].header.startswith("@Cached()\n")
    assert named("java")["Inventory.countItems"].header.startswith("@Deprecated")


@pytest.mark.parametrize(
    ("language", "name", "comments"),
    [
        ("java", "Inventory.countItems", ["go through the boxes from the top to the bottom of it"]),
        ("javascript", "areaOf", ["walk around the border and add up the triangles"]),
        ("go", "Queue.Push", ["the buffer grows twice as large whenever it is full"]),
        ("php", "Finder.find", ["look into the folders in the order given"]),
        ("ruby", "Numbers.Matrix.transpose", ["every column of the old one becomes a row"]),
    ],
)
def test_comments_inside_that_describe_are_kept(language, name, comments):
    assert [comment.text for comment in named(language)[name].comments] == comments


@pytest.mark.parametrize(
    ("language", "name", "reason"),
    [
        ("java", "Inventory.countItems", ""),
        ("java", "Inventory.Inventory", "dunder"),
        ("java", "Inventory.getOwner", "getter or setter"),
        ("java", "Inventory.toString", "dunder"),
        ("javascript", "areaOf", ""),
        ("javascript", "Circle.constructor", "dunder"),
        ("javascript", "Circle.unit", "undocumented"),
        ("javascript", "Circle.legacy", "undocumented"),
        ("typescript", "Shop.Store.load", ""),
        ("typescript", "Shop.Store.size", "getter or setter"),
        ("go", "Queue.Push", ""),
        ("go", "Queue.Len", "getter or setter"),
        ("php", "Finder.find", ""),
        ("php", "Finder.__construct", "dunder"),
        ("ruby", "Numbers.Matrix.transpose", ""),
        ("ruby", "Numbers.Matrix.initialize", "dunder"),
        ("ruby", "Numbers.Matrix.rows", "getter or setter"),
    ],
)
def test_the_filters_know_the_habits_of_each_language(language, name, reason):
    function = named(language)[name]
    found = reason_to_leave_out(function, f"src/{FILES[language]}")
    assert found == reason or (reason == "getter or setter" and found == "undocumented" and not function.docstring)


def test_overload_signatures_are_told_from_the_implementation():
    first, second = (one for one in sample("typescript").functions if one.name == "Shop.parse")
    assert (first.mark, second.mark) == (OVERLOAD, "")
    assert reason_to_leave_out(first) == "overload"


def test_errors_in_a_file_do_not_lose_the_rest():
    source = b"class A {\n  int ok(int x) { return x + 1; }\n  int bad( { return 1; }\n  int fine() { return 2; }\n}\n"
    reading = read_functions(source, "java")
    marks = {function.name: function.mark for function in reading.functions}
    assert (marks["A.ok"], marks["A.fine"]) == ("", "")
    assert BROKEN in marks.values()
    assert "near line 3" in reading.problem


def test_nested_functions_are_marked_and_wrappers_without_a_name_are_not():
    source = b"(function () {\n  function free() { function inner() { return 1; } return inner(); }\n})();\n"
    found = {function.name: function.is_nested for function in read_functions(source, "javascript").functions}
    assert found == {"free": False, "free.inner": True}


def test_old_files_and_line_ends_are_read():
    source = "// Größe\r\nfunction area(a) {\r\n  return a * a;\r\n}\r\n".encode("latin-1")
    (function,) = read_functions(source, "javascript").functions
    assert function.text == "function area(a) {\n  return a * a;\n}"
    with pytest.raises(UnparsableError, match="NUL"):
        read_functions(b"a\0b", "go")


@pytest.mark.parametrize(
    ("path", "language"),
    [
        ("a/b.py", "python"),
        ("A.java", "java"),
        ("x.test.tsx", "typescript"),
        ("x.mjs", "javascript"),
        ("lib.d.ts", ""),
        ("main.go", "go"),
        ("i.php", "php"),
        ("Rakefile", ""),
        ("a.rb", "ruby"),
        (".py", ""),
        ("x.c", ""),
    ],
)
def test_languages_are_known_by_the_ends_of_names(path, language):
    assert language_of(path) == language


@pytest.mark.parametrize("language", [name for name in LANGUAGES if name != "python"])
def test_a_single_function_is_split_like_the_one_in_its_file(language):
    for function in sample(language).functions:
        if function.mark or not function.body or not function.docstring:
            continue
        parts = split_function(function.text, language)
        assert (parts.header, parts.docstring) == (function.header, function.docstring), function.name
        assert parts.body == function.body


def test_python_2_leftovers_are_read_block_by_block():
    source = b'''class Shop(object):
    @property
    def size(self):
        """Number of things on sale."""
        count = len(self.things)
        return count

    def show(self, out):
        """Print every thing."""
        for thing in self.things:
            print thing


def total(prices,
          tax=0
):
    """Sum of the prices."""
    return sum(prices) + tax
'''
    reading = read_functions(source, "python")
    found = {function.name: function for function in reading.functions}
    assert "2 functions stand alone, 1 do not parse" in reading.problem
    assert found["Shop.size"].mark == ""
    assert (found["Shop.size"].start_line, found["Shop.size"].end_line) == (2, 6)
    assert found["Shop.show"].mark == BROKEN
    assert found["Shop.show"].docstring == "Print every thing."
    assert reason_to_leave_out(found["Shop.show"]) == "does not parse"
    assert found["Shop.size"].text.startswith("@property\ndef size(self):")


@pytest.mark.parametrize("language", FILES)
def test_header_and_body_without_documentation_are_the_whole_function(language):
    """The view `no_doc` leaves out comments above, nothing else: the tokens are those of the text."""
    for function in sample(language).functions:
        without = code_text(function, "no_doc")
        assert tokens_of(without, language) == tokens_of(function.text, language), function.name
        assert function.docstring == "" or code_text(function, "doc_only") == function.docstring
