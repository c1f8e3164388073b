"""Helper processes that read code: the same answers as one process, and a broken piece costs only itself."""

import pytest

from curation import code_workers
from curation.code_reading import Problem, Unit, read_unit
from curation.code_sources import open_source
from curation.code_workers import ReadingPool

CODE = b'def f(x):\n    """Add one to the number."""\n    y = x + 1\n    return y\n'


def test_helpers_answer_as_one_process_does_in_the_same_order(tmp_path):
    for number in range(70):
        (tmp_path / f"m{number:02}.py").write_bytes(CODE.replace(b"f(", b"f%d(" % number))
    (tmp_path / "broken.py").write_text("def f(:\n")
    units = list(open_source(str(tmp_path)).units())
    with ReadingPool(2) as pool:
        together = list(pool.read(iter([*units, Problem("x", "said before")])))
    assert together == [
        *((unit, read_unit(unit)) for unit in units),
        (Problem("x", "said before"), [Problem("x", "said before")]),
    ]


@pytest.fixture
def misbehaving(monkeypatch, tmp_path):
    """Helpers whose reader dies over `dies.py` and never ends over `hangs.py`."""
    script = tmp_path / "helper.py"
    script.write_text(
        "import os, time\n"
        "from curation import code_workers\n"
        "read = code_workers.read_unit\n"
        "def misread(unit):\n"
        "    if unit.path == 'dies.py':\n"
        "        os.abort()\n"
        "    if unit.path == 'hangs.py':\n"
        "        time.sleep(60)\n"
        "    return read(unit)\n"
        "code_workers.read_unit = misread\n"
        "code_workers.main()\n"
    )
    import sys
    from pathlib import Path
    from subprocess import PIPE

    from core.processes import spawn_with_parent

    root = Path(code_workers.__file__).resolve().parent.parent
    monkeypatch.setenv("PYTHONPATH", str(root))
    monkeypatch.setattr(
        code_workers, "_spawn", lambda: spawn_with_parent([sys.executable, script], stdin=PIPE, stdout=PIPE, cwd=root)
    )


def test_a_piece_that_kills_or_holds_its_helper_is_a_problem_and_the_rest_is_read(misbehaving):
    units = [Unit(name, "python", data=CODE) for name in ("a.py", "dies.py", "b.py", "hangs.py", "c.py")]
    with ReadingPool(1, unit_limit_s=2.0) as pool:
        found = {piece.path: what for piece, what in pool.read(iter(units))}
    assert [found[name][0].function.name for name in ("a.py", "b.py", "c.py")] == ["f", "f", "f"]
    assert found["dies.py"] == [Problem("dies.py", "not read: its parser crashed or ran out of memory")]
    assert found["hangs.py"] == [Problem("hangs.py", "not read: took longer than 2 s")]


def test_a_cancel_ends_the_helpers():
    class CancelledError(Exception):
        pass

    def check():
        raise CancelledError

    pool = ReadingPool(1)
    with pytest.raises(CancelledError), pool:
        list(pool.read((Unit("a.py", "python", data=CODE) for _ in range(1000)), check))
    assert pool._helpers == []
