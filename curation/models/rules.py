"""Versioned intent rule sets and their verdicts."""

from django.db import models
from django.db.models import Q


class RuleSet(models.Model):
    """A version of intent rules in their readable text form (TOML). project NULL: shipped and read-only."""

    project = models.ForeignKey(
        "core.Project", null=True, blank=True, on_delete=models.CASCADE, related_name="rule_sets"
    )
    name = models.CharField(max_length=60)
    version = models.PositiveIntegerField(default=1)
    text = models.TextField()
    content_hash = models.CharField(max_length=32)
    is_adopted = models.BooleanField(default=False)
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
        return f"{self.name} v{self.version}"


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
