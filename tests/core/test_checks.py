"""Checks of the settings that lock people out."""

import pytest

from core.checks import check_addresses


def test_the_shipped_settings_pass():
    assert check_addresses() == []


@pytest.mark.parametrize("host", ["https://quarry.example.org", "quarry.example.org:8000", "quarry.example.org/"])
def test_an_allowed_host_with_more_than_a_name_is_pointed_out(settings, host):
    settings.ALLOWED_HOSTS = [host]
    (found,) = check_addresses()
    assert found.id == "core.W001"
    assert found.hint.endswith(" quarry.example.org")


def test_a_trusted_origin_needs_its_host_allowed(settings):
    settings.ALLOWED_HOSTS = ["quarry.example.org"]
    settings.CSRF_TRUSTED_ORIGINS = ["https://quarry.example.org", "https://other.example.org"]
    (found,) = check_addresses()
    assert found.id == "core.W002"
    assert "other.example.org" in found.msg


def test_a_whole_domain_may_be_named_on_both_sides(settings):
    settings.ALLOWED_HOSTS = [".example.org", "[::1]"]
    settings.CSRF_TRUSTED_ORIGINS = ["https://*.example.org"]
    assert check_addresses() == []
