"""The queue: batches open items, items have pre-made slots, a slot is leased to one person and holds one vote.

The overlap is a fact of the schema: a vote can exist only in a slot, and slots are made when the item opens.
"""

from django.conf import settings
from django.db import models
from django.db.models import F, Q


class Guideline(models.Model):
    """A version of a project's annotation guideline (Markdown); every vote is stamped with one."""

    project = models.ForeignKey("core.Project", on_delete=models.CASCADE, related_name="guidelines")
    version = models.PositiveIntegerField(default=1)
    text = models.TextField()
    note = models.CharField(max_length=300, blank=True, help_text="What changed and why, as annotators read it.")
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-version"]
        constraints = [models.UniqueConstraint(fields=["project", "version"], name="guideline_version")]

    def __str__(self) -> str:
        return f"guideline v{self.version} of {self.project}"


class BatchKind(models.TextChoices):
    """What the items of a batch are for; a pilot is a live batch with a flag, a test pool a live batch of a pool."""

    LIVE = "live", "Live"
    INTENT_ONLY = "intent_only", "Intent only"
    TRAINING = "training", "Training"
    QUALIFICATION = "qualification", "Qualification"


class Batch(models.Model):
    """Pairs opened for annotation together."""

    project = models.ForeignKey("core.Project", on_delete=models.CASCADE, related_name="batches")
    name = models.CharField(max_length=100)
    kind = models.CharField(max_length=13, choices=BatchKind.choices, default=BatchKind.LIVE)
    priority = models.IntegerField(default=0, help_text="Lower comes first: before other batches of the project.")
    is_invited_only = models.BooleanField(default=False, help_text="Only people who are named members get its pairs.")
    max_votes_per_person = models.PositiveIntegerField(null=True, blank=True, help_text="Empty: no limit.")
    max_votes_per_day = models.PositiveIntegerField(
        null=True, blank=True, help_text="Of one person, from midnight UTC on. Empty: no limit."
    )
    overlap = models.PositiveSmallIntegerField(default=3)
    max_extra_votes = models.PositiveSmallIntegerField(default=2)
    is_pilot = models.BooleanField(default=False, help_text="A pilot's votes stay out of releases by default.")
    is_paused = models.BooleanField(default=False)
    is_closed = models.BooleanField(default=False)
    min_lease_s = models.PositiveIntegerField(default=600, help_text="Shortest lease of a pair, seconds.")
    gold_share = models.FloatField(default=0, help_text="Share of gold among what a person gets of this batch.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "batches"
        constraints = [models.UniqueConstraint(fields=["project", "name"], name="batch_name_once")]

    def __str__(self) -> str:
        return self.name


class Purpose(models.TextChoices):
    LIVE = "live", "Live"
    INTENT_ONLY = "intent_only", "Intent only"
    GOLD = "gold", "Gold"
    TRAINING = "training", "Training"
    QUALIFICATION = "qualification", "Qualification"
    REPEAT = "repeat", "Repeat"


# Items with a slot per person, made when it is that person's turn and never open to others. The overlap binds the rest.
OWN_SLOTS = frozenset({Purpose.GOLD, Purpose.TRAINING, Purpose.QUALIFICATION, Purpose.REPEAT})


class Item(models.Model):
    """One unit of judgement: a pair (or, for intent only, a query) opened in a batch.

    `target` is the number of slots wanted; `done` counts slots with a vote. Both are kept by the services.
    """

    project = models.ForeignKey("core.Project", on_delete=models.CASCADE, related_name="items")
    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="items")
    query = models.ForeignKey("curation.Query", on_delete=models.PROTECT, related_name="items")
    pair = models.ForeignKey("curation.Pair", null=True, blank=True, on_delete=models.PROTECT, related_name="items")
    purpose = models.CharField(max_length=15, choices=Purpose.choices, default=Purpose.LIVE)
    priority = models.IntegerField(default=0, help_text="Lower comes first.")
    stratum = models.CharField(
        max_length=40, blank=True, help_text="Why the plan chose it: mix and popularity band; empty without a plan."
    )
    target = models.PositiveSmallIntegerField(default=3)
    n_extra = models.PositiveSmallIntegerField(default=0, help_text="Slots opened beyond the overlap.")
    done = models.PositiveSmallIntegerField(default=0)
    is_set_aside = models.BooleanField(default=False, help_text="Two people could not judge it: for the curator.")
    is_contested = models.BooleanField(
        default=False, help_text="All votes are in, people differ, and the default keep-rule does not keep it."
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["pair"], condition=Q(purpose="live"), name="one_live_item_per_pair"),
            models.UniqueConstraint(
                fields=["query"], condition=Q(purpose="intent_only"), name="one_intent_item_per_query"
            ),
            models.CheckConstraint(
                condition=Q(purpose="intent_only", pair__isnull=True)
                | (~Q(purpose="intent_only") & Q(pair__isnull=False)),
                name="item_pair_unless_intent_only",
            ),
            models.CheckConstraint(condition=Q(done__lte=F("target")), name="item_done_within_target"),
        ]
        indexes = [
            models.Index(fields=["batch", "id"], name="item_of_batch"),
            models.Index(fields=["batch", "id"], condition=Q(purpose="gold"), name="item_gold"),
            models.Index(
                fields=["batch", "purpose"],
                condition=Q(done__lt=F("target"), is_set_aside=False),
                name="item_unfinished",
            ),
            models.Index(fields=["project", "id"], condition=Q(is_contested=True), name="item_contested"),
            models.Index(fields=["project", "id"], condition=Q(is_set_aside=True), name="item_set_aside"),
        ]

    @property
    def is_held_back(self) -> bool:
        """Whether privacy holds its query or its code back by now: then it is shown to nobody."""
        return bool(self.query.quarantine_reason or (self.pair and self.pair.code.quarantine_reason))


# Items (of a queryset of them) that privacy does not hold back.
SHOWABLE = Q(query__quarantine_reason="") & (Q(pair__isnull=True) | Q(pair__code__quarantine_reason=""))


class SlotState(models.IntegerChoices):
    FREE = 0, "Free"
    LEASED = 1, "Leased"
    DONE = 2, "Done"


class Slot(models.Model):
    """Room for one vote of one person on one item. project, batch, pair and priority are copies that make the claim
    one statement over one index; `number` runs from 0 to the item's target - 1. Priority orders within the batch."""

    item = models.ForeignKey(Item, on_delete=models.CASCADE, related_name="slots")
    # No index of its own: SQLite would take it before the small partial ones below.
    project = models.ForeignKey("core.Project", on_delete=models.CASCADE, related_name="slots", db_index=False)
    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="slots")
    pair = models.ForeignKey("curation.Pair", null=True, on_delete=models.PROTECT, related_name="+")
    number = models.PositiveSmallIntegerField()
    priority = models.IntegerField(default=0)
    is_open = models.BooleanField(
        default=True, help_text="False: nobody may claim it. Whether its batch hands out pairs is no part of this."
    )
    state = models.PositiveSmallIntegerField(choices=SlotState.choices, default=SlotState.FREE)
    person = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="slots"
    )
    lane = models.PositiveSmallIntegerField(null=True, blank=True, help_text="0: on screen, 1: prefetched.")
    token = models.UUIDField(null=True, blank=True, help_text="Names the lease; heartbeat and submit must match it.")
    leased_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["item", "number"], name="slot_once"),
            models.UniqueConstraint(
                fields=["item", "person"], condition=Q(person__isnull=False), name="slot_one_per_person"
            ),
            models.UniqueConstraint(
                fields=["project", "person", "lane"], condition=Q(state=1), name="slot_one_lease_per_lane"
            ),
            models.CheckConstraint(
                name="slot_state_fits",
                condition=Q(
                    state=0, person__isnull=True, token__isnull=True, expires_at__isnull=True, lane__isnull=True
                )
                | Q(
                    state=1,
                    person__isnull=False,
                    token__isnull=False,
                    expires_at__isnull=False,
                    lane__in=[0, 1],
                )
                | Q(state=2, person__isnull=False),
            ),
        ]
        indexes = [
            models.Index(
                fields=["batch", "priority", "id"], condition=Q(state=0, is_open=True), name="slot_free_of_batch"
            ),
            models.Index(fields=["expires_at"], condition=Q(state=1), name="slot_leased"),
            models.Index(fields=["person", "state", "batch"], name="slot_of_person_in_batch"),
        ]


class Skip(models.Model):
    """A person passed over an item; the claim does not offer it to them again."""

    item = models.ForeignKey(Item, on_delete=models.CASCADE, related_name="skips")
    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    token = models.UUIDField(null=True, blank=True, help_text="The lease that was let go: names the skip for an undo.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["item", "person"], name="skip_once")]
        indexes = [models.Index(fields=["person", "-id"], name="skip_of_person")]


class LateSubmission(models.Model):
    """A vote that came when its slot was no longer the person's: kept and shown, never counted."""

    item = models.ForeignKey(Item, on_delete=models.CASCADE, related_name="late_submissions")
    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    key = models.UUIDField(unique=True)
    payload = models.JSONField()
    created_at = models.DateTimeField(auto_now_add=True)


class Comment(models.Model):
    """A remark on an item, hidden from others until they have voted; `is_flag` asks for the curator."""

    was_masked = False  # no column: whether private text was masked when it was kept just now

    item = models.ForeignKey(Item, on_delete=models.CASCADE, related_name="comments")
    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    text = models.TextField(blank=True)
    is_flag = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["id"]
        indexes = [models.Index(fields=["-id"], condition=Q(is_flag=True), name="comment_flagged")]
