"""People, projects, memberships and jobs: what every other room stands on."""

import json
import secrets
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Exists, F, Q
from django.utils import timezone
from django.utils.crypto import salted_hmac
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _


class User(AbstractUser):
    """A person. `is_simulated` people are made by the demo and are called simulated wherever they show."""

    is_simulated = models.BooleanField(default=False)
    is_placeholder = models.BooleanField(
        default=False, help_text="A rater known only from imported votes; cannot log in."
    )
    publishes_votes = models.BooleanField(
        default=False, help_text="Agreed that their own votes are published, under a pseudonym, in releases to come."
    )
    must_change_password = models.BooleanField(
        default=False, help_text="The password was made by somebody else; the next login asks for an own one."
    )
    language = models.CharField(max_length=8, blank=True, help_text="Empty: as the browser asks for.")
    must_consent = models.BooleanField(
        default=False, help_text="A consent text waits for their decision; no other page opens before."
    )
    has_two_factor = models.BooleanField(default=False, editable=False, help_text="Kept by core/two_factor.py.")
    session_epoch = models.PositiveIntegerField(
        default=0, editable=False, help_text="Raised to end all sessions of this person."
    )
    last_seen_at = models.DateTimeField(null=True, blank=True, editable=False, help_text="To ten minutes.")

    def _get_session_auth_hash(self, secret: str | None = None) -> str:
        """Django's hash over the password, which ends other sessions when it changes; here the epoch does so too."""
        usual: str = super()._get_session_auth_hash(secret=secret)  # type: ignore[misc]
        if not self.session_epoch:
            return usual
        return salted_hmac("core.session_epoch", f"{self.session_epoch}:{usual}", secret=secret).hexdigest()


class Role(models.TextChoices):
    """What a member may do; a curator may do everything in the project."""

    CURATOR = "curator", _("Curator")
    ANNOTATOR = "annotator", _("Annotator")
    ADJUDICATOR = "adjudicator", _("Adjudicator")
    READER = "reader", _("Reader")

    @property
    def in_sentence(self) -> str:
        """The name as it stands inside a sentence: small, but for languages that write every noun large."""
        name = str(self.label)
        return name if (get_language() or "").startswith("de") else name.lower()


def make_project_secret() -> str:
    """Random text that keys pseudonyms and user hashes of one project; it never leaves the server."""
    return secrets.token_urlsafe(32)


class ProjectQuerySet(models.QuerySet["Project"]):
    def for_user(self, user: Any) -> "ProjectQuerySet":
        """The projects that this person may see; an administrator sees all."""
        if not user.is_authenticated:
            return self.none()
        if user.is_superuser:
            return self
        return self.filter(memberships__user=user).distinct()


class Project(models.Model):
    """One dataset in the making. Everything but vectors belongs to exactly one project."""

    slug = models.SlugField(max_length=60, unique=True, validators=[RegexValidator(r"^[a-z0-9][a-z0-9_-]*$")])
    title = models.CharField(max_length=200, blank=True)
    description = models.TextField(blank=True)
    language = models.CharField(
        max_length=20,
        default="python",
        blank=True,
        help_text="The language keyword that a query must contain as a whole word; empty asks for none.",
    )
    overlap = models.PositiveSmallIntegerField(default=3, help_text="Votes wanted per pair.")
    max_extra_votes = models.PositiveSmallIntegerField(
        default=2, help_text="Further votes opened for a pair that the keep-rule leaves unresolved."
    )
    k_anonymity = models.PositiveIntegerField(
        default=1,
        help_text="A query asked by fewer people than this (fewer times, where the log has no users) is withheld.",
    )
    encoder = models.CharField(max_length=300, blank=True, help_text="Encoder name or folder; empty: the default.")
    secret = models.CharField(max_length=60, default=make_project_secret, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = ProjectQuerySet.as_manager()

    class Meta:
        ordering = ["slug"]

    def __str__(self) -> str:
        return self.title or self.slug


class Membership(models.Model):
    """A person's role in a project; one row per role held."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=12, choices=Role.choices)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "user", "role"], name="membership_once_per_role")]

    def __str__(self) -> str:
        return f"{self.user} is {self.role} of {self.project}"

    @property
    def role_in_sentence(self) -> str:
        return Role(self.role).in_sentence


class JobState(models.TextChoices):
    QUEUED = "queued", "Queued"
    RUNNING = "running", "Running"
    DONE = "done", "Done"
    FAILED = "failed", "Failed"
    CANCELLED = "cancelled", "Cancelled"


class JobQuerySet(models.QuerySet["Job"]):
    def for_user(self, user: User) -> "JobQuerySet":
        """The jobs of this person's projects, and those without a project that they started; administrators see all."""
        if not user.is_authenticated:
            return self.none()
        if user.is_superuser:
            return self
        mine = Q(project__in=Project.objects.for_user(user)) | Q(project=None, created_by=user)
        return self.filter(mine)

    def ready(self) -> "JobQuerySet":
        """Queued, not put off to later, and not to be kept apart.

        Jobs on their last attempt run one at a time: when a worker died, nobody knows which of its jobs killed it, and
        the others must not lose their last attempt beside that one.
        """
        due = Q(run_after__isnull=True) | Q(run_after__lte=timezone.now())
        last_chance = Job.objects.filter(state=JobState.RUNNING, attempt__gte=F("max_attempts"))
        has_more = Q(attempt__lt=F("max_attempts") - 1)
        return self.filter(due, has_more | ~Exists(last_chance), state=JobState.QUEUED)

    def unfinished(self) -> "JobQuerySet":
        return self.filter(state__in=[JobState.QUEUED, JobState.RUNNING])

    def ended(self) -> "JobQuerySet":
        return self.filter(state__in=[JobState.DONE, JobState.FAILED, JobState.CANCELLED])


class Job(models.Model):
    """Any long work. This row is the truth; Celery only carries the wake-up with its id (core/jobs.py)."""

    project = models.ForeignKey(Project, null=True, blank=True, on_delete=models.CASCADE, related_name="jobs")
    kind = models.CharField(max_length=60)
    title = models.CharField(max_length=200)
    queue = models.CharField(max_length=20, default="default")
    params = models.JSONField(default=dict)
    state = models.CharField(max_length=10, choices=JobState.choices, default=JobState.QUEUED)
    attempt = models.PositiveSmallIntegerField(default=0)
    max_attempts = models.PositiveSmallIntegerField(default=3)
    owner_token = models.CharField(max_length=40, blank=True)
    beat_at = models.DateTimeField(null=True, blank=True)
    run_after = models.DateTimeField(null=True, blank=True)
    progress_done = models.BigIntegerField(default=0)
    progress_total = models.BigIntegerField(default=0)
    progress_note = models.CharField(max_length=200, blank=True)
    cancel_requested = models.BooleanField(default=False)
    result = models.JSONField(default=dict)
    error_code = models.CharField(max_length=60, blank=True)
    error = models.TextField(blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    objects = JobQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["queue", "id"], condition=Q(state="queued"), name="job_queued"),
            models.Index(fields=["beat_at"], condition=Q(state="running"), name="job_running"),
            models.Index(fields=["project", "-id"], name="job_of_project"),
        ]

    def __str__(self) -> str:
        return f"{self.title} ({self.state})"

    @property
    def is_over(self) -> bool:
        return self.state in {JobState.DONE, JobState.FAILED, JobState.CANCELLED}

    @property
    def percent(self) -> int:
        """Whole per cent done, 0 where the total is not known yet."""
        if self.state == JobState.DONE:
            return 100
        return min(100, int(100 * self.progress_done / self.progress_total)) if self.progress_total else 0

    @property
    def seconds(self) -> float | None:
        """How long the last attempt ran, or has run so far; None if it never started."""
        if self.started_at is None or self.state == JobState.QUEUED:
            return None
        return ((self.finished_at or timezone.now()) - self.started_at).total_seconds()

    @property
    def result_text(self) -> str:
        """The report as indented JSON."""
        return json.dumps(self.result, indent=2, ensure_ascii=False)


class WorkerBeat(models.Model):
    """A living worker process; silent for longer than WORKER_ALIVE_S means gone."""

    name = models.CharField(max_length=120, unique=True)
    queues = models.CharField(max_length=120)
    home = models.CharField(
        max_length=40, blank=True, help_text="The marker this worker reads in QUARRY_HOME; empty: it cannot read it."
    )
    beat_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.name


class ShardStage(models.Model):
    """A stage of sharded work (core/shards.py) with one set of parameters; removed with the work's files."""

    work = models.CharField(max_length=100)
    name = models.CharField(max_length=40)
    params_hash = models.CharField(max_length=32)
    function = models.CharField(max_length=200, help_text="module:name of a pure function.")
    params = models.JSONField(default=dict)
    folder = models.CharField(max_length=200, help_text="Below QUARRY_HOME.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["work", "name", "params_hash"], name="shard_stage_once")]

    def __str__(self) -> str:
        return f"{self.work}: {self.name}"


class Shard(models.Model):
    """A shard of a stage: waiting for a claim, claimed, or done with its output file in place."""

    stage = models.ForeignKey(ShardStage, on_delete=models.CASCADE, related_name="shards", db_index=False)
    number = models.PositiveIntegerField()
    owner_token = models.CharField(max_length=32, blank=True)
    claimed_at = models.DateTimeField(null=True, blank=True)
    is_done = models.BooleanField(default=False)
    facts = models.JSONField(default=dict)
    error = models.JSONField(default=dict)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["stage", "number"], name="shard_once")]

    def __str__(self) -> str:
        return f"{self.stage}, shard {self.number}"


class AuditEntry(models.Model):
    """Somebody changed a judgement or a person's standing: who, what, before and after. Written by core/audit.py."""

    project = models.ForeignKey(Project, null=True, blank=True, on_delete=models.CASCADE, related_name="audit")
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
        help_text="Empty: the software did it by a rule that the curator set.",
    )
    person = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
        help_text="Whose judgement or standing it is.",
    )
    act = models.CharField(max_length=60, help_text="app.verb, as with kinds of jobs.")
    subject_kind = models.CharField(max_length=40, blank=True, help_text="Model of the row that changed.")
    subject_id = models.BigIntegerField(null=True, blank=True)
    before = models.JSONField(default=dict)
    after = models.JSONField(default=dict)
    reason = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "audit entries"
        indexes = [
            models.Index(fields=["project", "-id"], name="audit_of_project"),
            models.Index(fields=["person", "-id"], name="audit_of_person"),
        ]

    def __str__(self) -> str:
        return f"{self.act} at {self.created_at:%Y-%m-%d %H:%M}"


class ConsentText(models.Model):
    """A version of what people agree to before they work. Published once, never changed (core/services/consent.py)."""

    version = models.PositiveSmallIntegerField(unique=True)
    texts = models.JSONField(help_text="Markdown by language code; `en` is always there.")
    published_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-version"]

    def __str__(self) -> str:
        return f"consent text, version {self.version}"


class ConsentAct(models.TextChoices):
    GIVEN = "given", _("Agreed")
    CHANGED = "changed", _("Changed")
    WITHDRAWN = "withdrawn", _("Withdrawn")


class ConsentDecision(models.Model):
    """What a person decided about a version of the text. Rows are only added: the last one of a person holds."""

    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="consents")
    text = models.ForeignKey(ConsentText, on_delete=models.PROTECT, related_name="decisions")
    act = models.CharField(max_length=10, choices=ConsentAct.choices)
    publishes = models.BooleanField(help_text="Single votes may be published under a pseudonym.")
    years = models.PositiveSmallIntegerField(null=True, blank=True, help_text="Years of programming; never published.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["person", "-id"], name="consent_of_person")]
        constraints = [
            models.CheckConstraint(
                condition=Q(years__isnull=True) | Q(years__lte=70), name="consent_years_are_possible"
            )
        ]

    def __str__(self) -> str:
        return f"{self.person}: {self.act}, version {self.text.version}"


class Invitation(models.Model):
    """A link that makes whoever follows it a member; only the hash of its secret is kept."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="invitations")
    roles = models.JSONField(help_text="Roles that are given.")
    note = models.CharField(max_length=200, blank=True, help_text="For whom, or where the link was posted.")
    secret_hash = models.CharField(max_length=64, unique=True, editable=False)
    max_uses = models.PositiveIntegerField(default=1)
    n_uses = models.PositiveIntegerField(default=0, editable=False)
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(condition=Q(n_uses__lte=F("max_uses")), name="invitation_within_its_uses")
        ]

    def __str__(self) -> str:
        return f"invitation {self.pk} to {self.project}"

    @property
    def state(self) -> str:
        """open, used up, expired or revoked."""
        if self.revoked_at is not None:
            return "revoked"
        if self.n_uses >= self.max_uses:
            return "used up"
        return "open" if self.expires_at > timezone.now() else "expired"

    @property
    def role_names(self) -> str:
        """The roles as people read them."""
        return ", ".join(Role(role).in_sentence for role in self.roles)


class InvitationUse(models.Model):
    """Who came in by an invitation."""

    invitation = models.ForeignKey(Invitation, on_delete=models.CASCADE, related_name="uses")
    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["invitation", "person"], name="invitation_use_once_per_person")]

    def __str__(self) -> str:
        return f"{self.person} by {self.invitation}"
