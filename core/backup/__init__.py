"""Backups of a whole installation: every table and every file, moved between SQLite and PostgreSQL and forward in time.

`tables` reads and writes rows by the state of the migrations, `archive` is the file, `services` the two acts.
"""
