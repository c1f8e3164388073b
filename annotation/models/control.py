"""Quality control on the record: votes set aside, and attempts at qualification."""

from django.conf import settings
from django.db import models
from django.db.models import Q


class SetAside(models.Model):
    """A curator's decision that votes of a person no longer count. Nothing is deleted; it can be taken back.

    Its votes carry `created_at` as their `set_aside_at`, to the microsecond: that is how they are found again.
    """

    project = models.ForeignKey("core.Project", on_delete=models.CASCADE, related_name="set_asides")
    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    batch = models.ForeignKey(
        "annotation.Batch", null=True, blank=True, on_delete=models.CASCADE, related_name="+", help_text="Empty: all."
    )
    since = models.DateTimeField(null=True, blank=True, help_text="Only votes from this time on. Empty: all.")
    reason = models.TextField(help_text="Why. It stays on the record.")
    n_votes = models.PositiveIntegerField(default=0, help_text="Votes set aside.")
    n_restored = models.PositiveIntegerField(default=0, help_text="Votes that count again.")
    is_complete = models.BooleanField(default=False, help_text="All its votes are set aside.")
    taken_back_at = models.DateTimeField(null=True, blank=True)
    job = models.ForeignKey("core.Job", null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["project", "person", "created_at"], name="set_aside_by_its_time")
        ]

    def __str__(self) -> str:
        return f"votes of {self.person} in {self.project}, set aside"


class QualificationAttempt(models.Model):
    """A person's go at the qualification items: so many of them, all new to the person, judged without feedback.

    The attempts of a person follow one another, and each takes the next `size` of the qualification items that the
    person judged, in the order of their slots.
    """

    project = models.ForeignKey("core.Project", on_delete=models.CASCADE, related_name="+")
    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    number = models.PositiveSmallIntegerField(help_text="From 1.")
    size = models.PositiveSmallIntegerField(help_text="Items of this attempt.")
    bar = models.FloatField(help_text="Share that must be right, as it was when the attempt began.")
    n_right = models.PositiveSmallIntegerField(null=True, blank=True, help_text="Empty until the attempt is done.")
    is_passed = models.BooleanField(null=True, blank=True)
    started_at = models.DateTimeField(auto_now_add=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["project", "person", "number"], name="qualification_attempt_once"),
            models.CheckConstraint(
                condition=Q(n_right__isnull=True) | Q(n_right__lte=models.F("size")),
                name="qualification_right_within_size",
            ),
        ]

    def __str__(self) -> str:
        return f"attempt {self.number} of {self.person}"
