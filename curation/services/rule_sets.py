"""Rule sets as rows: the shipped ones, installed on first use, and a project's own: drafts and versions."""

import re
from collections.abc import Callable

from django.db import IntegrityError, transaction
from django.db.models import Max, Q

from core.db import write_transaction
from core.errors import BadInputError, ConflictError, NotFoundError
from core.models import Project, User
from curation.intent import SHIPPED_RULE_SETS, RuleProfile, read_rule_set, rule_set_hash, shipped_rule_set_text
from curation.models import RuleSet
from curation.rule_text import RuleEdit, RuleSetDiff, complete_text, diff_profiles, edited, write_rule_set

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,59}")
MAX_KEPT_PROFILES = 50
_profiles: dict[int, tuple[str, RuleProfile]] = {}


def install_shipped_rule_sets() -> list[RuleSet]:
    """The shipped rule sets as rows. A changed text becomes a new version: verdicts stay true to the text they used."""
    return [_install(name) for name in SHIPPED_RULE_SETS]


def _install(name: str) -> RuleSet:
    text = complete_text(shipped_rule_set_text(name))
    shipped = RuleSet.objects.filter(project=None, name=name)
    found = shipped.filter(content_hash=rule_set_hash(text)).order_by("-version").first()
    if found:
        return found
    version = (shipped.aggregate(last=Max("version"))["last"] or 0) + 1
    try:
        with transaction.atomic():
            return RuleSet.objects.create(name=name, version=version, text=text, content_hash=rule_set_hash(text))
    except IntegrityError:  # another process was faster
        return shipped.get(version=version)


def find_rule_set(project: Project | None, name: str, *, drafts: bool = False) -> RuleSet:
    """The rule set of this name, the project's own before the shipped one; NotFoundError names all.

    `NAME` means the newest version, `NAME@3` version 3. A draft comes after all versions, unless `drafts` are what the
    caller works with.
    """
    install_shipped_rule_sets()
    plain, _, version = name.partition("@")
    known = RuleSet.objects.filter(Q(project=None) | Q(project=project) if project else Q(project=None))
    wanted = known.filter(name=plain)
    if version:
        wanted = wanted.filter(version=int(version)) if version.isascii() and version.isdigit() else wanted.none()
    found = min(
        wanted, key=lambda one: (one.project_id is None, one.is_draft and not drafts, -one.version), default=None
    )
    if found is None:
        names = sorted(set(known.values_list("name", flat=True)))
        raise NotFoundError(what="rule set", name=f"{name[:80]} (there are: {', '.join(names)})")
    return found


def profile_of(rule_set: RuleSet) -> RuleProfile:
    """The rule set ready for use; kept in memory, because it learns the words it has seen."""
    key = rule_set.pk or 0
    kept = _profiles.get(key)
    if kept is None or kept[0] != rule_set.content_hash:
        kept = (rule_set.content_hash, read_rule_set(rule_set.text))
        while len(_profiles) >= MAX_KEPT_PROFILES:
            _profiles.pop(next(iter(_profiles)), None)
        _profiles[key] = kept
    return kept[1]


# --- a project's own ----------------------------------------------------------------------------------------------


def draft_rule_set(*, project: Project, source: RuleSet, name: str = "", user: User | None = None) -> RuleSet:
    """A draft that begins as a copy of a shipped or own rule set. It changes nothing until it is adopted.

    Without a name it is the next version of the source, or of `own` where the source is shipped.
    """
    if source.project_id not in {None, project.pk}:
        raise ConflictError(problem=f"{source} belongs to another project.")
    name = name or ("own" if source.project_id is None else source.name)
    return _new_draft(project, name, source.text, based_on=source, user=user)


def import_rule_set(*, project: Project, text: str, name: str = "", user: User | None = None) -> RuleSet:
    """A draft from a TOML text. Its name is the one given, else the one in the text, else `own`."""
    written = read_rule_set(text).name
    name = name or (written if NAME.fullmatch(written) and written not in SHIPPED_RULE_SETS else "own")
    return _new_draft(project, name, complete_text(text), based_on=None, user=user)


def _new_draft(project: Project, name: str, text: str, *, based_on: RuleSet | None, user: User | None) -> RuleSet:
    if not NAME.fullmatch(name):
        problem = f"{name[:80]!r} cannot be the name of a rule set: small letters, digits, dot, - and _, at most 60."
        raise BadInputError(problem=problem, field="name")
    if name in SHIPPED_RULE_SETS:
        raise BadInputError(problem=f"{name} is the name of a shipped rule set; choose your own.", field="name")
    text = _named(text, name)
    with write_transaction():
        Project.objects.select_for_update(no_key=True).get(pk=project.pk)
        last = project.rule_sets.filter(name=name).aggregate(last=Max("version"))["last"] or 0
        return RuleSet.objects.create(
            project=project,
            name=name,
            version=last + 1,
            text=text,
            content_hash=rule_set_hash(text),
            is_draft=True,
            based_on=based_on,
            created_by=user if user is not None and user.is_authenticated else None,
        )


def _named(text: str, name: str) -> str:
    """The text under its new name; comments stay where the name stands on a line of its own."""
    if read_rule_set(text).name == name:
        return text
    renamed = re.sub(r"(?m)^name\s*=.*$", f'name = "{name}"', text, count=1)
    if not re.search(r"(?m)^name\s*=", text):
        renamed = f'name = "{name}"\n{text}'
    return renamed if read_rule_set(renamed).name == name else text


def edit_rule(*, draft: RuleSet, edit: RuleEdit, seen: str = "") -> RuleSet:
    """Adds, changes or removes one rule of a draft. The text is written anew, without comments.

    `seen` is the content hash of the draft that the person looked at; ConflictError when it has changed since.
    """
    return _save_draft(draft, lambda kept: write_rule_set(edited(read_rule_set(kept.text), edit)), seen)


def edit_rule_set_text(*, draft: RuleSet, text: str, seen: str = "") -> RuleSet:
    """Replaces the whole text of a draft; RuleSetError says what is wrong with it."""
    text = complete_text(text.replace("\r\n", "\n"))
    return _save_draft(draft, lambda kept: _named(text, kept.name), seen)


def discard_draft(*, draft: RuleSet) -> None:
    """Removes a draft; ConflictError for a version, which stays."""
    with write_transaction():
        _open_draft(draft, "").delete()


def diff_rule_sets(before: RuleSet, after: RuleSet) -> RuleSetDiff:
    """The rules added, removed and changed from one rule set to the other."""
    return diff_profiles(profile_of(before), profile_of(after))


def _save_draft(draft: RuleSet, text_of: Callable[[RuleSet], str], seen: str) -> RuleSet:
    with write_transaction():
        kept = _open_draft(draft, seen)
        kept.text = text_of(kept)
        kept.content_hash = rule_set_hash(kept.text)
        kept.save(update_fields=["text", "content_hash"])
    return kept


def _open_draft(draft: RuleSet, seen: str) -> RuleSet:
    kept = RuleSet.objects.select_for_update(of=("self",)).filter(pk=draft.pk).first()
    if kept is None or not kept.is_draft:
        raise ConflictError(problem=f"{draft.name} v{draft.version} is no draft. Make a draft of it to change rules.")
    if seen and seen != kept.content_hash:
        raise ConflictError(
            problem="Somebody changed this draft meanwhile. Load the page again, then repeat the change."
        )
    return kept
