"""Code sources: what a name means, what is read, and what is refused."""

import json
import platform

import pytest

from curation.code_sources import CodeSourceError, FoundFunction, Problem, open_source

GOOD = 'def read_rows(path):\n    """Read all rows of a file."""\n    with open(path) as file:\n        return [*file]'


@pytest.fixture
def folder(tmp_path):
    """A small checkout: a module, tests, a file that does not parse, a hidden folder, a link out."""
    root = tmp_path / "shop"
    (root / "tests").mkdir(parents=True)
    (root / ".hidden").mkdir()
    (root / "__pycache__").mkdir()
    (root / "b.py").write_text(GOOD)
    (root / "a.py").write_text("def f(x):\n    y = x\n    return y\n")
    (root / "old.py").write_text("print 'python 2'\n")
    (root / "tests" / "helpers.py").write_text(GOOD)
    (root / ".hidden" / "c.py").write_text(GOOD)
    (root / "__pycache__" / "d.py").write_text(GOOD)
    (root / "notes.txt").write_text("no code")
    (tmp_path / "secret.py").write_text(GOOD)
    (root / "link.py").symlink_to(tmp_path / "secret.py")
    return root


def refusal(spec, **options) -> str:
    with pytest.raises(CodeSourceError) as error:
        open_source(str(spec), **options)
    return str(error.value)


def test_a_folder_is_read_in_the_order_of_its_paths(folder):
    source = open_source(str(folder))
    assert (source.kind, source.name) == ("folder", "shop")
    assert [path for path, _ in source.files] == ["a.py", "b.py", "old.py", "tests/helpers.py"]
    found = list(source.functions())
    assert [(one.path, one.reason) for one in found if isinstance(one, FoundFunction)] == [
        ("a.py", "undocumented"),
        ("b.py", ""),
        ("tests/helpers.py", "test"),
    ]
    (problem,) = (one for one in found if isinstance(one, Problem))
    assert problem.path == "old.py"
    assert "line 1" in problem.reason


def test_a_folder_without_a_commit_changes_its_version_with_its_files(folder):
    before = open_source(str(folder)).version
    assert open_source(str(folder)).version == before
    (folder / "new.py").write_text(GOOD)
    assert open_source(str(folder)).version != before


@pytest.mark.parametrize("packed", [False, True])
def test_a_git_checkout_is_known_by_its_commit_and_licence(folder, packed):
    git = folder / ".git"
    (git / "refs" / "heads").mkdir(parents=True)
    (git / "HEAD").write_text("ref: refs/heads/main\n")
    if packed:
        (git / "packed-refs").write_text(f"# pack-refs\n{'b' * 40} refs/heads/main\n")
    else:
        (git / "refs" / "heads" / "main").write_text("b" * 40 + "\n")
    (folder / "LICENSE").write_text("MIT License\n\nPermission is hereby granted,\nfree of charge, to any person")
    source = open_source(str(folder))
    assert (source.version, source.licence) == ("b" * 40, "MIT")


def test_the_standard_library_is_that_of_the_running_python():
    source = open_source("stdlib")
    assert (source.kind, source.version, source.licence) == ("stdlib", platform.python_version(), "PSF-2.0")
    paths = [path for path, _ in source.files]
    assert "argparse.py" in paths
    assert not [path for path in paths if path.startswith(("test/", "site-packages/"))]


def test_an_installed_package_brings_its_version_and_licence():
    source = open_source("djangorestframework")
    assert (source.kind, source.name) == ("package", "djangorestframework")
    assert source.version
    assert "BSD" in source.licence
    assert "rest_framework/views.py" in [path for path, _ in source.files]


def test_a_package_is_found_by_what_is_imported_too():
    assert open_source("rest_framework").name == "djangorestframework"


def code_base(tmp_path, entries, name="code_idx_map.txt"):
    path = tmp_path / name
    path.write_text(json.dumps(entries))
    return path


def test_every_entry_of_a_cosqa_file_is_a_code(tmp_path):
    entries = {GOOD: 0, 'def old(x):\n    """Print it."""\n    print x\n': 1, "def bare(x): return x": 2}
    source = open_source(str(code_base(tmp_path, entries)))
    found = list(source.functions())
    assert [one.function.name for one in found] == ["read_rows", "old", "bare"]
    assert [one.reason for one in found] == ["", "", ""]
    assert found[1].function.docstring == "Print it."
    assert found[2].path == "code_idx_map.txt#2"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "is empty"),
        (b"{}", "holds no code"),
        (b"\x80\x04\x95binary", "binary file or not UTF-8"),
        (b"\x00\x00\x00\x00", "binary file"),
        (b"def f(): pass", "not JSON"),
        (b"[1, 2]", "not a CoSQA code base"),
        (b'{"def f(): pass": "zero"}', "not a CoSQA code base"),
        (b'{"def f(): pass": true}', "not a CoSQA code base"),
        (b'{"a":' * 200_000, "nested too deep|not JSON"),
    ],
)
def test_a_file_that_is_no_code_base_is_refused_by_name(tmp_path, content, expected):
    import re

    path = tmp_path / "upload.json"
    path.write_bytes(content)
    assert re.search(f"upload.json.*({expected})", refusal(path))


def test_unknown_names_are_refused():
    assert "No package named nosuchpackage is installed" in refusal("nosuchpackage")
    assert "use stdlib" in refusal("json")
    assert "no package, folder or file" in refusal("/no/such/folder")
    assert "Name a code source" in refusal("  ")
    assert "Name a code source" in refusal("a\0b")
    assert "not the name of a package" in refusal("../x", kind="package")


def test_a_folder_without_python_is_refused(tmp_path):
    (tmp_path / "readme.txt").write_text("hello")
    assert "holds no source files" in refusal(tmp_path)
    assert "is not a folder" in refusal(tmp_path / "readme.txt", kind="folder")
    assert "is not a file" in refusal(tmp_path, kind="cosqa")


def test_huge_and_unreadable_files_are_problems(folder, monkeypatch):
    monkeypatch.setattr("curation.code_reading.MAX_FILE_BYTES", 50)
    (folder / "b.py").chmod(0o644)
    found = [one for one in open_source(str(folder)).functions() if isinstance(one, Problem)]
    assert "b.py" in [problem.path for problem in found]


def test_the_real_code_base_keeps_its_6267_codes(real_data):
    from core.text import code_hash

    found = list(open_source(str(real_data / "cosqa" / "code_idx_map.txt")).functions())
    assert len(found) == 6267
    assert len({code_hash(one.function.text) for one in found}) == 6267
    assert sum(bool(one.function.docstring) for one in found) > 6200
