"""What can go wrong with a backup, said so that one knows what to do."""

from core.errors import QuarryError


class BackupUnreadableError(QuarryError):
    """Not a backup, or damaged."""

    code, status = "backup_unreadable", 422
    template = "{file} cannot be read as a backup: {problem}"


class BackupNewerError(QuarryError):
    """The backup was made by a later version of Quarry."""

    code, status = "backup_newer", 409
    template = "The backup comes from a newer version of Quarry ({migration} is not known here). Update Quarry first."


class NotEmptyError(QuarryError):
    """There are rows where the backup should go."""

    code, status = "database_not_empty", 409
    template = (
        "The database is not empty ({found}). A backup goes into a new one: point DATABASE_URL, or QUARRY_HOME for "
        "SQLite, to an empty place and do not start Quarry there before."
    )


class RowRefusedError(QuarryError):
    """A row of the backup does not go into its table."""

    code, status = "backup_row_refused", 422
    template = "Line {line} of table {table} in the backup was refused: {problem}. Nothing was restored."


class SumsDifferError(QuarryError):
    """What was restored is not what was backed up."""

    code, status = "backup_sums_differ", 422
    template = "After restoring, {what} differs from the backup. Nothing was kept."


class FileInTheWayError(QuarryError):
    """Something stands where the backup, or a file of it, should go."""

    code, status = "backup_file_in_the_way", 409
    template = "{path} exists already; {advice}."
