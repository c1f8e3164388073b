"""Versioned intent rule sets and their verdicts."""

from django.conf import settings
from django.db import models
from django.db.models import Q


class RuleSet(models.Model):
    """A version of intent rules in their readable text form (TOML). project NULL: shipped and read-only.

    A draft may be edited and changes nothing; adopting it (see Adoption) makes it a version, which never changes.
    """

    project = models.ForeignKey(
        "core.Project", null=True, blank=True, on_delete=models.CASCADE, related_name="rule_sets"
    )
    name = models.CharField(max_length=60)
    version = models.PositiveIntegerField(default=1)
    text = models.TextField(help_text="Complete in itself: what a shipped set includes is written out.")
    content_hash = models.CharField(max_length=32)
    is_draft = models.BooleanField(default=False)
    based_on = models.ForeignKey("self", null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["project", "name", "version"], condition=Q(project__isnull=False), name="rule_set_version"
            ),
            models.UniqueConstraint(
                fields=["name", "version"], condition=Q(project__isnull=True), name="shipped_rule_set_version"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} v{self.version}{' (draft)' if self.is_draft else ''}"


class Adoption(models.Model):
    """A rule set taken into use by a project: all queries were judged by it. The latest complete one is current."""

    project = models.ForeignKey("core.Project", on_delete=models.CASCADE, related_name="adoptions")
    rule_set = models.ForeignKey(RuleSet, on_delete=models.CASCADE, related_name="adoptions")
    previous = models.ForeignKey(
        RuleSet, null=True, blank=True, on_delete=models.SET_NULL, related_name="+", help_text="In use before."
    )
    language = models.CharField(max_length=20, blank=True)
    report = models.JSONField(default=dict, help_text="What changed: curation/rule_changes.py, as_data.")
    job = models.ForeignKey("core.Job", null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    adopted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    adopted_at = models.DateTimeField(null=True, blank=True, help_text="Empty until every query is judged.")

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["project", "adopted_at"], name="adoption_latest")]

    def __str__(self) -> str:
        return f"{self.rule_set} in {self.project_id}"


class Verdict(models.Model):
    """What a rule set says of a query; the hits name every rule that matched."""

    # No indexes of their own: the two below begin with them.
    query = models.ForeignKey("curation.Query", on_delete=models.CASCADE, related_name="verdicts", db_index=False)
    rule_set = models.ForeignKey(RuleSet, on_delete=models.CASCADE, related_name="verdicts", db_index=False)
    has_intent = models.BooleanField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["query", "rule_set"], name="verdict_once")]
        indexes = [models.Index(fields=["rule_set", "has_intent", "query"], name="verdict_browse")]


class RuleHit(models.Model):
    """One rule that matched one query."""

    verdict = models.ForeignKey(Verdict, on_delete=models.CASCADE, related_name="hits", db_index=False)
    rule = models.CharField(max_length=80, help_text="The rule's printed form, e.g. 'turn ... on/off'.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["verdict", "rule"], name="rule_hit_once")]
        indexes = [models.Index(fields=["rule", "verdict"], name="rule_hit_browse")]


class VerdictCount(models.Model):
    """How a project's queries stand under a rule set, kept with every verdict in the same transaction.

    Whoever changes what counts in another way (quarantine, removal of queries) marks the row: services/rule_counts.py.
    """

    project = models.ForeignKey("core.Project", on_delete=models.CASCADE, related_name="verdict_counts")
    rule_set = models.ForeignKey(RuleSet, on_delete=models.CASCADE, related_name="counts")
    accepted = models.BigIntegerField(default=0)
    rejected = models.BigIntegerField(default=0)
    by_rule = models.JSONField(default=dict, help_text="Rule -> queries it hits.")
    alone = models.JSONField(default=dict, help_text="Rule -> queries that no other rule hits.")
    by_category = models.JSONField(default=dict, help_text="Category -> queries that any rule of it hits.")
    language = models.CharField(max_length=20, blank=True, help_text="The keyword that the verdicts asked for.")
    is_stale = models.BooleanField(default=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "rule_set"], name="verdict_count_once")]
