"""Logs, samples and judgements of intent for the tests."""

import uuid
from collections.abc import Iterable, Mapping

from annotation.models import IntentSample, Item, RaterKind, Slot, SlotState, Vote
from annotation.services.intent_samples import SampleSettings, start_sample_intent
from annotation.services.items import settle
from core.jobs import run_inline
from core.models import Project
from curation.models import Query, Verdict
from curation.selectors import current_rule_set
from curation.services.rule_sets import profile_of
from tests.annotation.judged import rater
from tests.factories import QueryFactory

VOTES = {"y": {"intent": "yes"}, "n": {"intent": "no"}, "u": {"intent": "unclear"}}
REASONS = {"d": "debugging", "e": "conceptual", "t": "tools", "k": "knowledge", "v": "vague", "o": "other"}


def log(project: Project, queries: Iterable[str] | Mapping[str, int]) -> dict[str, Query]:
    """Queries of a log with the verdicts of the current rule set; a mapping gives how often each was asked."""
    counts = queries if isinstance(queries, Mapping) else dict.fromkeys(queries, 1)
    made = {text: QueryFactory(project=project, text=text, n_seen=n) for text, n in counts.items()}
    rule_set = current_rule_set(project)
    profile = profile_of(rule_set)
    Verdict.objects.bulk_create(
        Verdict(query=query, rule_set=rule_set, has_intent=profile.judge(text).has_intent)
        for text, query in made.items()
    )
    return made


def sample_of(project: Project, n: int = 10_000, **options) -> IntentSample:
    """A drawn and opened sample; as large as the log unless told."""
    name = options.pop("name", "")
    options = {"minimum": 0, "bands": (), **options}
    sample, job = start_sample_intent(project=project, settings=SampleSettings(n=n, **options), name=name, inline=True)
    run_inline(job)
    sample.refresh_from_db()
    return sample


def judge_intent(sample: IntentSample, votes: Mapping[str, str]) -> None:
    """Puts votes on queries of the sample, by text: "yyn" is two with intent and one without, d e t k v o are no with
    a category, u cannot judge. Straight as rows: no queue, no clock."""
    items = {item.query.text: item for item in Item.objects.filter(sampled__sample=sample).select_related("query")}
    for text, given in votes.items():
        item = items[text]
        for number, letter in enumerate(given):
            fields = VOTES.get(letter) or {"intent": "no", "reason": REASONS[letter]}
            person = rater(number)
            slot, _ = Slot.objects.get_or_create(
                item=item, number=number, defaults={"project": sample.project, "batch": item.batch}
            )
            slot.state, slot.person = SlotState.DONE, person
            slot.save()
            Vote.objects.create(
                slot=slot,
                item=item,
                project=sample.project,
                person=person,
                key=uuid.uuid4(),
                payload_sha256="",
                rater_kind=RaterKind.SIMULATED,
                **fields,
            )
        Item.objects.filter(pk=item.pk).update(done=len(given), target=max(len(given), item.target))
        settle(Item.objects.select_related("batch").get(pk=item.pk))
