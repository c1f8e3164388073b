"""The house keeps its own rules: directions of imports, packaging, migrations, no machine's paths."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import call_command

ROOT = Path(__file__).resolve().parent.parent
REQUIREMENT_FILES = ["requirements.txt", "requirements-gpu.txt", "requirements-dev.txt"]


def tracked_files() -> list[Path]:
    """Every file that git tracks, or all files where there is no git (an unpacked archive)."""
    listing = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listing.returncode:
        return [path for path in ROOT.rglob("*") if path.is_file() and ".venv" not in path.parts]
    return [ROOT / line for line in listing.stdout.splitlines() if (ROOT / line).is_file()]


def test_imports_go_the_way_the_architecture_says():
    lint = Path(sys.executable).with_name("lint-imports")
    run = subprocess.run([lint, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize("name", REQUIREMENT_FILES)
def test_requirement_files_name_no_build_vendor_or_index(name):
    pins = (ROOT / name).read_text(encoding="utf-8")
    assert not re.search(r"\+cpu|nvidia|index-url|find-links|--hash|https?:", pins)


def test_the_gpu_list_is_the_cpu_list_with_another_faiss():
    cpu = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    gpu = (ROOT / "requirements-gpu.txt").read_text(encoding="utf-8")
    assert "faiss-cpu==" in cpu
    assert "torch==2.13.0\n" in cpu
    assert gpu == cpu.replace("faiss-cpu", "faiss-gpu")


@pytest.mark.django_db
def test_models_and_migrations_agree(capsys):
    call_command("makemigrations", check=True, dry_run=True, verbosity=1)
    assert "No changes detected" in capsys.readouterr().out


def test_no_file_names_a_place_on_the_machine_it_was_made_on():
    found = []
    for path in tracked_files():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        if f"{ROOT}/" in text:
            found.append(str(path.relative_to(ROOT)))
    assert found == []


def test_no_secret_key_stands_in_the_settings():
    settings_text = (ROOT / "config" / "settings.py").read_text(encoding="utf-8")
    assert not re.search(r"SECRET_KEY\s*=\s*[\"']", settings_text)
    assert "django-insecure" not in settings_text
