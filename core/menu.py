"""The menu of a project: which sections a person sees, in which order."""

from dataclasses import dataclass
from typing import Any

from django.urls import NoReverseMatch, reverse

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
    label: str
    view: str
    roles: frozenset[Role]


GROUPS: list[tuple[str, list[Section]]] = [
    ("", [Section("overview", "Overview", "core:project", EVERYBODY)]),
    (
        "Curation",
        [
            Section("logs", "Search logs", "curation:logs", WATCHERS),
            Section("queries", "Queries", "curation:queries", WATCHERS),
            Section("quarantine", "Quarantine", "curation:quarantine", WATCHERS),
            Section("rules", "Intent rules", "curation:rules", WATCHERS),
            Section("code", "Code", "curation:code", WATCHERS),
            Section("candidates", "Candidates", "curation:candidates", WATCHERS),
        ],
    ),
    (
        "Annotation",
        [
            Section("dashboard", "Dashboard", "annotation:dashboard", CURATORS),
            Section("judge", "Judge", "annotation:judge", VOTERS),
            Section("guideline", "Guideline", "annotation:guideline", EVERYBODY),
            Section("history", "My votes", "annotation:history", VOTERS),
            Section("scorecard", "My scorecard", "annotation:scorecard", VOTERS),
            Section("batches", "Batches", "annotation:batches", WATCHERS),
            Section("scorecards", "Scorecards", "annotation:scorecards", CURATORS),
            Section("people", "Quality control", "annotation:people", CURATORS),
            Section("agreement", "Agreement", "annotation:agreement", WATCHERS),
            Section("consensus", "Consensus", "annotation:consensus", WATCHERS),
            Section("adjudication", "Adjudication", "annotation:adjudication", DECIDERS),
            Section("discussion", "Discussion", "annotation:discussions", SPEAKERS),
            Section("intent", "Intent, measured", "annotation:intent", WATCHERS),
            Section("releases", "Releases", "annotation:releases", WATCHERS),
        ],
    ),
    (
        "Modeling",
        [
            Section("runs", "Training runs", "modeling:runs", WATCHERS),
            Section("evaluations", "Evaluations", "modeling:evaluations", WATCHERS),
            Section("search", "Search", "modeling:search", WATCHERS),
        ],
    ),
    (
        "Project",
        [
            Section("jobs", "Jobs", "core:jobs", WATCHERS),
            Section("members", "Members", "core:members", CURATORS),
            Section("audit", "Audit log", "annotation:audit", CURATORS),
            Section("settings", "Settings", "core:project_settings", CURATORS),
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
            MenuEntry(item.label, href, item.key == section)
            for item in sections
            if held & item.roles and (href := section_address(item.view, project))
        ]
        if entries:
            groups.append(MenuGroup(title, entries))
    return Menu(groups)


def section_address(view: str, project: Project, *args: Any) -> str:
    """Address of a project page; empty where the app that would serve it is not installed."""
    try:
        return reverse(view, args=[project.slug, *args])
    except NoReverseMatch:
        return ""
