"""Rule sets as rows: the shipped ones are installed on first use, whoever asks first."""

from django.db import IntegrityError, transaction
from django.db.models import Max

from core.errors import NotFoundError
from core.models import Project
from curation.intent import SHIPPED_RULE_SETS, RuleProfile, read_rule_set, rule_set_hash, shipped_rule_set_text
from curation.models import RuleSet

_profiles: dict[int, tuple[str, RuleProfile]] = {}


def install_shipped_rule_sets() -> list[RuleSet]:
    """The shipped rule sets as rows. A changed text becomes a new version: verdicts stay true to the text they used."""
    return [_install(name) for name in SHIPPED_RULE_SETS]


def _install(name: str) -> RuleSet:
    text = shipped_rule_set_text(name)
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


def find_rule_set(project: Project | None, name: str) -> RuleSet:
    """The newest version of the project's rule set of this name, else of the shipped one; NotFoundError names all."""
    install_shipped_rule_sets()
    known = RuleSet.objects.filter(project=None)
    own = RuleSet.objects.filter(project=project) if project else RuleSet.objects.none()
    found = own.filter(name=name).order_by("-version").first() or known.filter(name=name).order_by("-version").first()
    if found is None:
        names = sorted({*known.values_list("name", flat=True), *own.values_list("name", flat=True)})
        raise NotFoundError(what="rule set", name=f"{name} (there are: {', '.join(names)})")
    return found


def profile_of(rule_set: RuleSet) -> RuleProfile:
    """The rule set ready for use; kept in memory, because it learns the words it has seen."""
    key = rule_set.pk or 0
    kept = _profiles.get(key)
    if kept is None or kept[0] != rule_set.content_hash:
        kept = (rule_set.content_hash, read_rule_set(rule_set.text))
        _profiles[key] = kept
    return kept[1]
