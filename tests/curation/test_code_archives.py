"""Archives, checkouts and files of records as sources of code; licences; hostile ones are refused or reported."""

import gzip
import io
import json
import subprocess
import tarfile
import zipfile

import pytest

from curation import code_archives
from curation.code_archives import safe_path
from curation.code_sources import CodeSourceError, FoundFunction, Problem, open_source
from curation.git_checkouts import blob_id, browser_address
from curation.licences import LicenceMap, licence_of_metadata, licence_of_name, licence_of_text

GOOD = (
    'def read_rows(path):\n    """Read all rows of a file."""\n    with open(path) as file:\n        return [*file]\n'
)
MIT = "MIT License\n\nPermission is hereby granted, free of charge, to any person obtaining a copy"
APACHE = "Apache License\nVersion 2.0, January 2004"


def zipped(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def tarred(path, members, mode="w:gz"):
    with tarfile.open(path, mode) as archive:
        for name, data in members.items():
            if isinstance(data, tarfile.TarInfo):
                archive.addfile(data)
                continue
            info = tarfile.TarInfo(name)
            info.size = len(data.encode())
            archive.addfile(info, io.BytesIO(data.encode()))
    return path


def found(source):
    """[(path, name, licence)] and {path: reason} of the problems."""
    functions, problems = [], {}
    for one in source.functions():
        if isinstance(one, Problem):
            problems[one.path] = one.reason
        else:
            functions.append((one.path, one.function.name, one.licence))
    return functions, problems


# --- archives -------------------------------------------------------------------------------------------------------
def test_a_wheel_is_read_with_the_licence_of_its_metadata(tmp_path):
    metadata = (
        "Metadata-Version: 2.1\nName: shop\nLicense: UNKNOWN\nClassifier: License :: OSI Approved :: MIT License\n"
    )
    wheel = zipped(
        tmp_path / "shop-1.0-py3-none-any.whl",
        {"shop/rows.py": GOOD, "shop-1.0.dist-info/METADATA": metadata, "shop/data.bin": "\0"},
    )
    source = open_source(str(wheel))
    assert (source.kind, source.licence) == ("archive", "MIT")
    assert found(source) == ([("shop/rows.py", "read_rows", "MIT")], {})


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_a_tar_is_read_whatever_its_packing_and_the_nearest_licence_holds(tmp_path, mode):
    members = {
        "shop-1/a.py": GOOD,
        "shop-1/LICENSE": MIT,
        "shop-1/vendored/LICENSE.txt": APACHE,
        "shop-1/vendored/b.py": GOOD,
        "shop-1/src/c.go": "package c\n\n// Twice doubles a number.\nfunc Twice(n int) int {\n\treturn 2 * n\n}\n",
        "shop-1/node_modules/d.js": "function d() {}",
    }
    source = open_source(str(tarred(tmp_path / "shop.tar", members, mode)))
    assert found(source)[0] == [
        ("shop-1/a.py", "read_rows", "MIT"),
        ("shop-1/vendored/b.py", "read_rows", "Apache-2.0"),
        ("shop-1/src/c.go", "Twice", "MIT"),
    ]


def test_in_a_hurry_only_the_beginning_of_a_tar_is_read(tmp_path):
    place = tarred(tmp_path / "a.tar.gz", {"a.py": GOOD, "b.bin": str(list(range(200_000))), "LICENSE": MIT})
    place.write_bytes(place.read_bytes()[:-100_000])
    assert open_source(str(place), in_a_hurry=True).licence == ""
    with pytest.raises(CodeSourceError, match="damaged"):
        open_source(str(place))


def test_an_spdx_tag_in_a_file_wins(tmp_path):
    tagged = f"# SPDX-License-Identifier: BSD-3-Clause\n{GOOD}"
    source = open_source(str(zipped(tmp_path / "a.zip", {"a.py": tagged, "b.py": GOOD + "x = 1\n", "LICENSE": MIT})))
    assert [licence for _, _, licence in found(source)[0]] == ["BSD-3-Clause", "MIT"]


HOSTILE = ["../evil.py", "/etc/evil.py", "a/../../evil.py", "..\\evil.py", "C:/evil.py", "a\n.py"]


@pytest.mark.parametrize("name", HOSTILE)
def test_names_that_climb_are_reported_and_never_read(tmp_path, name):
    for source in (
        open_source(str(zipped(tmp_path / "z.zip", {name: GOOD, "ok.py": GOOD}))),
        open_source(str(tarred(tmp_path / "t.tar.gz", {name: GOOD, "ok.py": GOOD}))),
    ):
        functions, problems = found(source)
        assert [path for path, _, _ in functions] == ["ok.py"]
        assert "leads out of the archive" in next(iter(problems.values()))
    assert not (tmp_path.parent / "evil.py").exists()


@pytest.mark.parametrize(
    ("path", "shown"), [("a/./b.py", "a/b.py"), ("a//b.py", "a/b.py"), ("", ""), (".", ""), ("x\0.py", ""), ("a:b", "")]
)
def test_safe_paths(path, shown):
    assert safe_path(path) == shown


def test_links_and_second_files_of_a_name_are_left_out(tmp_path):
    link = tarfile.TarInfo("link.py")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    source = open_source(str(tarred(tmp_path / "a.tar", {"ok.py": GOOD, "link.py": link}, "w")))
    assert found(source)[1] == {"link.py": "left out: a link"}
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        archive.writestr("ok.py", GOOD)
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("ok.py", "def other(): pass")
        info = zipfile.ZipInfo("link.py")
        info.external_attr = 0o120777 << 16
        archive.writestr(info, "/etc/passwd")
    functions, problems = found(open_source(str(tmp_path / "b.zip")))
    assert [name for _, name, _ in functions] == ["read_rows"]
    assert problems["link.py"] == "left out: a link"
    assert "another file of this name" in problems["ok.py"]


def test_a_member_that_unpacks_too_large_is_a_problem(tmp_path, monkeypatch):
    monkeypatch.setattr("curation.code_sources.MAX_FILE_BYTES", 1000)
    source = open_source(str(zipped(tmp_path / "a.zip", {"big.py": "#" * 5000, "ok.py": GOOD})))
    functions, problems = found(source)
    assert list(problems) == ["big.py"]
    assert len(functions) == 1


@pytest.mark.parametrize("make", [zipped, tarred])
def test_a_bomb_is_refused_by_its_ratio(tmp_path, monkeypatch, make):
    monkeypatch.setattr(code_archives, "RATIO_FREE_BYTES", 2**20)
    bomb = make(tmp_path / "bomb", {f"{n}.py": "#" * 2**20 for n in range(6)})
    with pytest.raises((CodeSourceError, code_archives.ArchiveError), match="bomb"):
        list(open_source(str(bomb)).functions())


def test_too_many_members_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(code_archives, "MAX_MEMBERS", 3)
    with pytest.raises(CodeSourceError, match="more than 3 files"):
        open_source(str(zipped(tmp_path / "a.zip", {f"{n}.py": GOOD for n in range(4)})))


@pytest.mark.parametrize("cut", [0.3, 0.9])
def test_damaged_archives_are_refused_or_reported(tmp_path, cut):
    for make, name in ((zipped, "a.zip"), (tarred, "a.tar.gz")):
        place = make(tmp_path / name, {"a.py": GOOD * 50, "b.py": GOOD * 60})
        place.write_bytes(place.read_bytes()[: int(place.stat().st_size * cut)])
        with pytest.raises(CodeSourceError):
            open_source(str(place))


def test_an_archive_without_code_is_refused(tmp_path):
    with pytest.raises(CodeSourceError, match="no source files"):
        open_source(str(zipped(tmp_path / "a.zip", {"readme.txt": "hello"})))


# --- git ------------------------------------------------------------------------------------------------------------
@pytest.fixture
def checkout(tmp_path):
    root = tmp_path / "shop"
    root.mkdir()

    def git(*args):
        settings = ["-c", "user.name=a", "-c", "user.email=a@b.example", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", *settings, *args], cwd=root, check=True, capture_output=True)

    (root / "a.py").write_text(GOOD)
    (root / "b.py").write_text(GOOD.replace("rows", "lines"))
    (root / "LICENSE").write_text(MIT)
    git("init", "-q")
    git("remote", "add", "origin", "https://user:secret-token@git.example.org/team/shop.git")
    git("add", ".")
    git("commit", "-q", "-m", "first")
    return root


def test_a_checkout_gives_commit_remote_and_what_the_commit_holds(checkout):
    (checkout / "b.py").write_text(GOOD.replace("rows", "changed"))
    (checkout / "new.py").write_text(GOOD)
    source = open_source(str(checkout))
    commit = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=checkout, check=True, capture_output=True, text=True
    ).stdout.strip()
    assert (source.kind, source.version, source.remote) == ("git", commit, "https://git.example.org/team/shop")
    functions = [one for one in source.functions() if isinstance(one, FoundFunction)]
    assert [(one.path, one.commit) for one in functions] == [("a.py", commit), ("b.py", f"{commit}+changed")]
    (problem,) = (one for one in source.functions() if isinstance(one, Problem))
    assert "1 files that the commit does not hold" in problem.reason


@pytest.mark.parametrize("version", [2, 4])
def test_every_index_format_is_read(checkout, version):
    subprocess.run(["git", "update-index", "--index-version", str(version)], cwd=checkout, check=True)
    blobs = open_source(str(checkout)).checkout.blobs
    assert blobs["a.py"] == blob_id(GOOD.encode())
    assert set(blobs) == {"a.py", "b.py", "LICENSE"}


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("git@github.com:team/shop.git", "https://github.com/team/shop"),
        ("ssh://git@host.example:2222/a/b.git", "https://host.example/a/b"),
        ("https://x:y@host.example/a/b.git?token=1", "https://host.example/a/b"),
        ("/srv/git/shop.git", ""),
        ("../shop", ""),
        ("javascript:alert(1)", ""),
        ("", ""),
    ],
)
def test_remotes_become_addresses_without_credentials(url, address):
    assert browser_address(url) == address


def test_a_broken_git_folder_is_a_plain_folder(tmp_path):
    (tmp_path / "a.py").write_text(GOOD)
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "HEAD").write_bytes(b"\xff\xfe nonsense")
    assert open_source(str(tmp_path)).kind == "folder"


# --- records --------------------------------------------------------------------------------------------------------
def row(**changes):
    return {
        "repo": "team/shop",
        "path": "shop/rows.py",
        "func_name": "Rows.read",
        "original_string": GOOD,
        "language": "python",
        "code": GOOD,
        "docstring": "Read all rows of a file.",
        "sha": "a" * 40,
        "url": "https://github.com/team/shop/blob/aaa/shop/rows.py#L10-L14",
        **changes,
    }


def test_codesearchnet_rows_carry_their_provenance(tmp_path):
    java = row(
        language="java",
        path="A.java",
        original_string="int twice(int n) {\n  return 2 * n;\n}",
        docstring="Doubles it.",
    )
    place = tmp_path / "train_0.jsonl.gz"
    place.write_bytes(gzip.compress("\n".join(map(json.dumps, [row(), java])).encode()))
    source = open_source(str(place))
    assert source.kind == "codesearchnet"
    first, second = source.functions()
    assert (first.repository, first.path, first.commit) == ("team/shop", "shop/rows.py", "a" * 40)
    assert (first.function.name, first.function.start_line, first.function.end_line) == ("Rows.read", 10, 14)
    assert first.function.text == GOOD
    assert second.function.text.startswith("/**\n * Doubles it.\n */\nint twice")
    assert (second.function.docstring, second.function.language) == ("Doubles it.", "java")


def test_a_folder_of_codesearchnet_files_is_one_source(tmp_path):
    folder = tmp_path / "python" / "final"
    folder.mkdir(parents=True)
    (folder / "train_1.jsonl.gz").write_bytes(gzip.compress(f"{json.dumps(row(path='b.py'))}\n[1]\n".encode()))
    (folder / "train_0.jsonl.gz").write_bytes(gzip.compress(json.dumps(row()).encode()))
    source = open_source(str(tmp_path / "python"))
    assert (source.kind, source.name, len(source.files)) == ("codesearchnet", "python", 2)
    assert open_source(str(tmp_path / "python"), kind="codesearchnet").version == source.version
    functions, problems = found(source)
    assert [path for path, _, _ in functions] == ["shop/rows.py", "b.py"]
    assert list(problems) == ["final/train_1.jsonl.gz#2"]
    (folder / "train_0.jsonl.gz").write_bytes(gzip.compress(b'{"text": 1}'))
    with pytest.raises(CodeSourceError, match="names no code"):
        open_source(str(tmp_path / "python"))


def test_bad_rows_are_problems_with_their_line(tmp_path):
    lines = [
        json.dumps(row()),
        "{not json",
        "[1]",
        json.dumps(row(original_string="", code="")),
        json.dumps(row(language="cobol")),
        json.dumps(row(original_string="a\0b")),
        '{"a":' * 100 + "1" + "}" * 100,
        "",
        json.dumps(row(path="")),
    ]
    place = tmp_path / "rows.jsonl"
    place.write_text("\n".join(lines))
    functions, problems = found(open_source(str(place)))
    assert [path for path, _, _ in functions] == ["shop/rows.py", "rows.jsonl#9"]
    assert list(problems) == [f"rows.jsonl#{n}" for n in (2, 3, 4, 5, 6, 7)]
    assert "nested deeper" in problems["rows.jsonl#7"]
    assert "cobol" in problems["rows.jsonl#5"]


def test_mbpp_keeps_its_tasks_as_documentation(tmp_path):
    place = tmp_path / "mbpp.jsonl"
    place.write_text(
        json.dumps({"text": "Write a function to add.", "code": "def add(a, b):\r\n  return a + b", "task_id": 7})
    )
    (one,) = open_source(str(place), licence="CC-BY-4.0").functions()
    assert (one.function.name, one.function.text) == ("add", "def add(a, b):\n  return a + b")
    assert (one.function.docstring, one.reason, one.licence) == ("Write a function to add.", "", "CC-BY-4.0")


def test_a_line_beyond_the_limit_is_a_problem_and_the_rest_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr("curation.code_sources.MAX_LINE_BYTES", 2000)
    place = tmp_path / "rows.jsonl"
    place.write_text(
        "\n".join([json.dumps(row()), json.dumps(row(docstring="x" * 5000)), json.dumps(row(path="c.py"))])
    )
    functions, problems = found(open_source(str(place)))
    assert [path for path, _, _ in functions] == ["shop/rows.py", "c.py"]
    assert list(problems) == ["rows.jsonl#2"]


def test_real_mbpp_is_read_whole(real_data):
    functions, problems = found(open_source(str(real_data / "mbpp" / "mbpp.jsonl")))
    assert (len(functions), problems) == (974, {})


def test_a_single_source_file_is_a_source(tmp_path):
    (tmp_path / "rows.py").write_text(GOOD)
    source = open_source(str(tmp_path / "rows.py"))
    assert (source.kind, found(source)[0]) == ("file", [("rows.py", "read_rows", "")])


# --- licences -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "spdx"),
    [
        (MIT, "MIT"),
        (APACHE, "Apache-2.0"),
        ("GNU GENERAL PUBLIC LICENSE\n   Version 3, 29 June 2007", "GPL-3.0-only"),
        ("GNU LESSER GENERAL PUBLIC LICENSE Version 2.1, February 1999", "LGPL-2.1-only"),
        ("GNU AFFERO GENERAL PUBLIC LICENSE Version 3", "AGPL-3.0-only"),
        ("Redistribution and use in source and binary forms, with or without modification", "BSD-2-Clause"),
        ("Redistribution and use in source and binary forms ... used to endorse or\npromote", "BSD-3-Clause"),
        ("Mozilla Public License Version 2.0", "MPL-2.0"),
        ("// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception", "Apache-2.0 WITH LLVM-exception"),
        ("All rights reserved.", ""),
    ],
)
def test_licence_texts_are_known_by_their_words(text, spdx):
    assert licence_of_text(text) == spdx


@pytest.mark.parametrize(
    ("name", "text", "spdx"),
    [
        ("pyproject.toml", '[project]\nlicense = "MIT"', "MIT"),
        ("pyproject.toml", '[project]\nlicense = {text = "BSD 3-Clause License"}', "BSD-3-Clause"),
        (
            "pyproject.toml",
            '[project]\nclassifiers = ["License :: OSI Approved :: Apache Software License"]',
            "Apache-2.0",
        ),
        ("pyproject.toml", "not toml [", ""),
        ("package.json", '{"license": "ISC"}', "ISC"),
        ("package.json", '{"license": {"type": "MIT", "url": "x"}}', "MIT"),
        ("composer.json", '{"license": ["MIT", "GPL-3.0-or-later"]}', "MIT OR GPL-3.0-or-later"),
        ("package.json", "[1]", ""),
        ("METADATA", "Name: x\nLicense-Expression: Apache-2.0\n\nLicense: MIT", "Apache-2.0"),
        ("setup.cfg", "[metadata]\nlicense = MIT\n", "MIT"),
    ],
)
def test_licences_of_metadata(name, text, spdx):
    assert licence_of_metadata(name, text) == spdx


def test_the_nearest_folder_counts_and_texts_win_over_metadata():
    licences = LicenceMap("stated")
    licences.add("a/pyproject.toml", b'[project]\nlicense = "Apache-2.0"')
    licences.add("a/LICENSE", MIT.encode())
    licences.add("a/b/LICENSE-MIT", MIT.encode())
    licences.add("a/b/LICENSE-APACHE", APACHE.encode())
    assert licences.of("a/x.py") == "MIT"
    assert licences.of("a/b/c/x.py") == "Apache-2.0 OR MIT"
    assert licences.of("x.py") == "stated"
    assert licence_of_name("Some Licence  of ours") == "Some Licence of ours"
