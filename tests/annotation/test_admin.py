"""The admin: everything is registered, votes are only shown, releases can be exported."""

import pytest
from django.apps import apps
from django.contrib import admin
from django.test import Client

from annotation.criteria import read_criteria
from annotation.models import Release, Vote, VoteRevision
from annotation.services.releases import start_freeze_release
from core.jobs import run_inline
from tests.annotation.judged import judged_project
from tests.factories import UserFactory

APPS = ("core", "curation", "annotation", "modeling")
pytestmark = pytest.mark.django_db


@pytest.fixture
def root() -> Client:
    client = Client()
    client.force_login(UserFactory(username="root", is_staff=True, is_superuser=True))
    return client


def models():
    return [model for app in APPS for model in apps.get_app_config(app).get_models()]


@pytest.mark.parametrize("model", models(), ids=lambda model: model._meta.label)
def test_every_model_is_registered_and_its_list_opens(model, root):
    assert model in admin.site._registry
    meta = model._meta
    assert root.get(f"/admin/{meta.app_label}/{meta.model_name}/").status_code == 200


@pytest.mark.parametrize("model", [Vote, VoteRevision])
def test_votes_can_be_seen_but_not_added_changed_or_deleted(model, root, project):
    vote = judged_project(project, ["1"])[0].votes.get()
    row = vote if model is Vote else vote.revisions.create(act="correction", intent="yes")
    base = f"/admin/annotation/{model._meta.model_name}"
    assert root.get(f"{base}/{row.pk}/change/").status_code == 200
    assert root.get(f"{base}/add/").status_code == 403
    assert root.post(f"{base}/{row.pk}/change/", {"intent": "no"}).status_code == 403
    assert root.post(f"{base}/{row.pk}/delete/", {"post": "yes"}).status_code == 403
    asked = {"action": "delete_selected", "_selected_action": [row.pk], "post": "yes"}
    root.post(f"{base}/", asked)
    row.refresh_from_db()
    assert row.intent == "yes"


def test_the_action_export_dataset_starts_the_export_job(root, project, settings, tmp_path):
    settings.QUARRY_HOME = tmp_path
    judged_project(project, ["111"])
    release, job = start_freeze_release(
        project=project, name="v1", criteria=read_criteria(dev="0", test="0"), inline=True
    )
    run_inline(job)
    listing = root.get("/admin/annotation/release/").content.decode()
    assert "Export dataset" in listing
    asked = {"action": "export_dataset", "_selected_action": [release.pk], "format": "csv"}
    assert root.post("/admin/annotation/release/", asked).status_code == 302
    exported = run_inline(project.jobs.get(kind="annotation.export_release"))
    assert (tmp_path / "releases/exports/demo/v1/csv/pairs.csv").is_file()
    assert exported.result["format"] == "csv"


def test_exporting_a_release_without_files_says_why(root, project):
    release = Release.objects.create(project=project, name="v1")
    asked = {"action": "export_dataset", "_selected_action": [release.pk]}
    page = root.post("/admin/annotation/release/", asked, follow=True).content.decode()
    assert "has no files" in page
