"""How a person likes the judge page: keys and display. It holds in every project."""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _


class TextSize(models.TextChoices):
    SMALL = "small", _("Small")
    NORMAL = "normal", _("Normal")
    LARGE = "large", _("Large")
    HUGE = "huge", _("Very large")


class JudgePreferences(models.Model):
    """What a person changed on the judge page. `keys` holds only what differs from the keys that come with Quarry:
    {act: key}, an empty key for an act that no key does."""

    person = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="judge_preferences")
    keys = models.JSONField(default=dict, blank=True)
    wraps_code = models.BooleanField(default=False, help_text="Long lines of code are broken instead of scrolled.")
    text_size = models.CharField(max_length=6, choices=TextSize.choices, default=TextSize.NORMAL)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name_plural = "judge preferences"

    def __str__(self) -> str:
        return f"judge page of {self.person}"
