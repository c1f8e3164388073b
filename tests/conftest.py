"""What every test shares: no network beyond loopback, factories as fixtures."""

import os
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import pytest
from django.test import Client
from django.utils import translation
from pytest_socket import socket_allow_hosts

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(autouse=True)
def _no_foreign_hosts() -> None:
    """Only loopback may be reached."""
    socket_allow_hosts(["127.0.0.1", "::1", "localhost"], allow_unix_socket=True)


@pytest.fixture(autouse=True)
def _own_language() -> Iterator[None]:
    """A request leaves its language behind in the thread; the next test begins with English."""
    yield
    translation.deactivate()


@pytest.fixture
def real_data() -> Path:
    """The folder of real data beside the project; the test is skipped where it is absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip("real data is not at hand")
    return SHARED_DATA


@pytest.fixture
def project(db):
    """A project `demo`."""
    from tests.factories import ProjectFactory

    return ProjectFactory(slug="demo")


@pytest.fixture
def curator(project):
    """A curator of `project`."""
    from tests.factories import member

    return member(project, "curator", username="cora")


@pytest.fixture
def annotator(project):
    """An annotator of `project`."""
    from tests.factories import member

    return member(project, "annotator", username="anna")


@pytest.fixture
def curator_client(curator) -> Client:
    client = Client()
    client.force_login(curator)
    return client


@pytest.fixture
def annotator_client(annotator) -> Client:
    client = Client()
    client.force_login(annotator)
    return client


@pytest.fixture
def stranger_client(db) -> Client:
    """Logged in, member of nothing."""
    from tests.factories import UserFactory

    client = Client()
    client.force_login(UserFactory(username="stranger"))
    return client
