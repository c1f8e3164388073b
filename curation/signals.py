"""What curation tells the rooms that build on it."""

from django.dispatch import Signal

# Texts were held back or released; sent in the transaction of the change. Arguments: project_id, kind (TextKind), ids.
quarantine_changed = Signal()
