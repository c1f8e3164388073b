"""The menu of a project: which sections a person sees, in which order."""

from dataclasses import dataclass
from typing import Any

from django.urls import NoReverseMatch, reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from core.access import roles_in
from core.models import Project, Role

EVERYBODY = frozenset(Role)
CURATORS = frozenset({Role.CURATOR})
VOTERS = frozenset({Role.CURATOR, Role.ANNOTATOR})
DECIDERS = frozenset({Role.CURATOR, Role.ADJUDICATOR})
SPEAKERS = VOTERS | DECIDERS
WATCHERS = frozenset({Role.CURATOR, Role.ADJUDICATOR, Role.READER})


@dataclass(frozen=True)
class Section:
    """An entry of the menu; `view` is the name of its page, `roles` are those who see it."""

    key: str
    label: str | Promise
    view: str
    roles: frozenset[Role]


GROUPS: list[tuple[str | Promise, list[Section]]] = [
    ("", [Section("overview", _("Overview"), "core:project", EVERYBODY)]),
    (
        _("Curation"),
        [
            Section("logs", _("Search logs"), "curation:logs", WATCHERS),
            Section("queries", _("Queries"), "curation:queries", WATCHERS),
            Section("quarantine", _("Quarantine"), "curation:quarantine", WATCHERS),
            Section("rules", _("Intent rules"), "curation:rules", WATCHERS),
            Section("code", _("Code"), "curation:code", WATCHERS),
            Section("candidates", _("Candidates"), "curation:candidates", WATCHERS),
        ],
    ),
    (
        _("Annotation"),
        [
            Section("dashboard", _("Dashboard"), "annotation:dashboard", CURATORS),
            Section("judge", _("Judge"), "annotation:judge", VOTERS),
            Section("guideline", _("Guideline"), "annotation:guideline", EVERYBODY),
            Section("history", _("My votes"), "annotation:history", VOTERS),
            Section("scorecard", _("My scorecard"), "annotation:scorecard", VOTERS),
            Section("batches", _("Batches"), "annotation:batches", WATCHERS),
            Section("scorecards", _("Scorecards"), "annotation:scorecards", CURATORS),
            Section("people", _("Quality control"), "annotation:people", CURATORS),
            Section("agreement", _("Agreement"), "annotation:agreement", WATCHERS),
            Section("consensus", _("Consensus"), "annotation:consensus", WATCHERS),
            Section("adjudication", _("Adjudication"), "annotation:adjudication", DECIDERS),
            Section("discussion", _("Discussion"), "annotation:discussions", SPEAKERS),
            Section("intent", _("Intent, measured"), "annotation:intent", WATCHERS),
            Section("releases", _("Releases"), "annotation:releases", WATCHERS),
        ],
    ),
    (
        _("Modeling"),
        [
            Section("runs", _("Training runs"), "modeling:runs", WATCHERS),
            Section("evaluations", _("Evaluations"), "modeling:evaluations", WATCHERS),
            Section("search", _("Search"), "modeling:search", WATCHERS),
        ],
    ),
    (
        _("Project"),
        [
            Section("jobs", _("Jobs"), "core:jobs", WATCHERS),
            Section("members", _("Members"), "core:members", CURATORS),
            Section("audit", _("Audit log"), "annotation:audit", CURATORS),
            Section("settings", _("Settings"), "core:project_settings", CURATORS),
        ],
    ),
]


@dataclass(frozen=True)
class MenuEntry:
    label: str
    href: str
    current: bool


@dataclass(frozen=True)
class MenuGroup:
    title: str
    entries: list[MenuEntry]


@dataclass(frozen=True)
class Menu:
    groups: list[MenuGroup]

    @property
    def current(self) -> str:
        """Label of the entry whose page this is; empty when it has none."""
        return next((entry.label for group in self.groups for entry in group.entries if entry.current), "")


def menu_for(user: Any, project: Project, section: str) -> Menu:
    """The sections this person may open, with the current one marked."""
    held = roles_in(user, project)
    groups = []
    for title, sections in GROUPS:
        entries = [
            MenuEntry(str(item.label), href, item.key == section)
            for item in sections
            if held & item.roles and (href := section_address(item.view, project))
        ]
        if entries:
            groups.append(MenuGroup(str(title), entries))
    return Menu(groups)


def section_address(view: str, project: Project, *args: Any) -> str:
    """Address of a project page; empty where the app that would serve it is not installed."""
    try:
        return reverse(view, args=[project.slug, *args])
    except NoReverseMatch:
        return ""
