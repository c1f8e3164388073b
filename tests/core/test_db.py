"""Fair write transactions and bulk writes in short commits."""

import threading
import time

import pytest
from django.db import DatabaseError, OperationalError, connection, transaction

from core import db
from core.db import DatabaseBusyError, TicketLock, is_busy_error, retry_when_busy, run_in_chunks, write_transaction
from core.models import Project


def test_a_ticket_lock_serves_in_the_order_of_arrival():
    lock, served = TicketLock(), []
    assert lock.acquire(1)

    def stand_in_line(number: int) -> None:
        assert lock.acquire(10)
        served.append(number)
        lock.release()

    threads = []
    for number in range(8):
        threads.append(threading.Thread(target=stand_in_line, args=(number,)))
        threads[-1].start()
        while len(lock._waiting) <= number:
            time.sleep(0.001)
    lock.release()
    for thread in threads:
        thread.join()
    assert served == list(range(8))


def test_whoever_waits_too_long_leaves_the_line():
    lock = TicketLock()
    assert lock.acquire(1)
    assert not lock.acquire(0.01)
    lock.release()
    assert lock.acquire(0.01)


@pytest.mark.django_db(transaction=True)
def test_a_write_transaction_that_gets_no_ticket_says_that_the_database_is_busy():
    if connection.vendor != "sqlite":
        pytest.skip("tickets are for SQLite")
    assert db._tickets.acquire(1)
    try:
        with pytest.raises(DatabaseBusyError, match="Nothing was saved"), write_transaction(timeout_s=0.01):
            pass
    finally:
        db._tickets.release()


@pytest.mark.django_db(transaction=True)
def test_a_write_transaction_is_all_or_nothing_and_gives_its_ticket_back():
    def half() -> None:
        with write_transaction():
            Project.objects.create(slug="half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        half()
    assert not Project.objects.exists()
    with write_transaction(timeout_s=0.1):
        Project.objects.create(slug="whole")
    assert Project.objects.get().slug == "whole"


@pytest.mark.django_db(transaction=True)
def test_a_write_transaction_inside_another_takes_no_second_ticket():
    with write_transaction(), write_transaction(timeout_s=0.01):
        Project.objects.create(slug="inner")
    assert Project.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_lock_errors_become_one_plain_refusal():
    with pytest.raises(DatabaseBusyError), write_transaction():
        raise OperationalError("database is locked")
    with pytest.raises(DatabaseError, match="no such table"), write_transaction():
        raise OperationalError("no such table: x")


def test_only_lock_errors_count_as_busy():
    assert is_busy_error(OperationalError("database table is locked"))
    assert not is_busy_error(OperationalError("disk I/O error"))


@pytest.mark.django_db(transaction=True)
def test_a_busy_database_is_asked_again_a_bounded_number_of_times():
    calls = []

    @retry_when_busy(attempts=3, pause_s=0.0)
    def write(fail_times: int) -> int:
        calls.append(1)
        if len(calls) <= fail_times:
            raise DatabaseBusyError
        return len(calls)

    assert write(2) == 3
    calls.clear()
    with pytest.raises(DatabaseBusyError):
        write(9)
    assert len(calls) == 3


@pytest.mark.django_db
def test_inside_a_transaction_nothing_is_tried_twice():
    calls = []

    @retry_when_busy(attempts=3, pause_s=0.0)
    def write() -> None:
        calls.append(1)
        raise DatabaseBusyError

    with transaction.atomic(), pytest.raises(DatabaseBusyError):
        write()
    assert len(calls) == 1


@pytest.mark.django_db(transaction=True)
def test_bulk_rows_are_written_once_each_in_several_commits(monkeypatch):
    monkeypatch.setattr(db, "CHUNK_PAUSE_S", 0.0)
    reached = []
    rows = (Project(slug=f"p{number}") for number in range(450))
    written = run_in_chunks(rows, Project.objects.bulk_create, max_rows=200, on_chunk=reached.append)
    assert written == Project.objects.count() == 450
    assert len(reached) >= 3
    assert reached[-1] == 450


def test_chunks_shrink_when_they_take_too_long_and_grow_when_they_are_quick():
    assert db._next_size(200, 0.8, 2000) == 20
    assert db._next_size(200, 0.001, 2000) == 400
    assert db._next_size(1500, 0.001, 2000) == 2000
    assert db._next_size(20, 100.0, 2000) == 10
