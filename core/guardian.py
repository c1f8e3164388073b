"""Started by core/processes.py, with nothing of the house imported: becomes a command and leaves a guardian beside it.

    python -I -S guardian.py PIPE GRACE_S DEATH_SIGNAL COMMAND...

The process that was started executes COMMAND itself, so its pid and exit status are the command's. The guardian, a
detached process of about 8 MB, waits for the end of the pipe (the parent is gone) or of the command, and then ends the
command's process group.
"""

import os
import select
import signal
import sys
import time

POLL_S = 0.5
ORPHAN_GRACE_S = 1.0
PR_SET_PDEATHSIG = 1


def main() -> None:
    pipe, grace_s, death_signal, command = int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]), sys.argv[4:]
    leader, parent = os.getpid(), os.getppid()
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            guard(pipe, leader, grace_s)
        os._exit(0)
    os.wait()
    os.close(pipe)
    if death_signal:
        die_with_parent(death_signal, parent)
    try:
        os.execvp(command[0], command)
    except OSError as error:
        sys.stderr.write(f"{command[0]}: {error.strerror}\n")
        os._exit(127)


def die_with_parent(number: int, parent: int) -> None:
    """Linux: the kernel sends `number` when the creating thread of the parent ends."""
    import ctypes

    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, number, 0, 0, 0)
    if os.getppid() != parent:  # it ended before we asked
        os._exit(1)


def guard(pipe: int, leader: int, grace_s: float) -> None:
    """Waits for the end of the parent or of the leader; then ends the leader's group."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    detach(keep=pipe)
    try:
        watched = os.pidfd_open(leader)
    except (AttributeError, OSError):
        watched = -1
    while is_alive(leader, watched):
        ready, _, _ = select.select([pipe, *([watched] if watched >= 0 else [])], [], [], POLL_S)
        if pipe in ready:
            break
    end(leader, watched, grace_s)


def detach(*, keep: int) -> None:
    """Holds on to nothing of the command: a reader of its output must see the end when the command ends."""
    os.chdir("/")
    null = os.open(os.devnull, os.O_RDWR)
    for stream in range(3):
        os.dup2(null, stream)
    for open_fd in range(3, 256):
        if open_fd != keep:
            try:
                os.close(open_fd)
            except OSError:
                continue


def is_alive(leader: int, watched: int) -> bool:
    if watched >= 0:
        return not select.select([watched], [], [], 0)[0]
    try:
        os.kill(leader, 0)
    except ProcessLookupError:
        return False
    return True


def end(leader: int, watched: int, grace_s: float) -> None:
    """SIGTERM to the group, then SIGKILL to what is left of it; an orphaned rest gets a second at most."""
    signal_group(leader, signal.SIGTERM)
    deadline = time.monotonic() + grace_s
    while time.monotonic() < deadline and signal_group(leader, 0):
        if not is_alive(leader, watched):
            deadline = min(deadline, time.monotonic() + ORPHAN_GRACE_S)
        time.sleep(0.05)
    signal_group(leader, signal.SIGKILL)


def signal_group(leader: int, number: int) -> bool:
    """False when nobody is left to get the signal."""
    try:
        os.killpg(leader, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


if __name__ == "__main__":
    main()
