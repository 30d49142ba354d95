"""What keeps a submission inside: layers of protection that the system may or may not offer.

None of the functions knows what is run inside.
"""

import contextlib
import ctypes
import functools
import importlib
import importlib.util
import os
import sys
import sysconfig
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import companion
from companion.grade.sandbox.limits import Limits

LINUX = sys.platform == "linux"
MEGABYTE = 1 << 20
# From <sched.h> and <sys/prctl.h>; the os module has them from Python 3.12 on.
NEW_NAMESPACES = {"user": 0x10000000, "process": 0x20000000, "network": 0x40000000, "IPC": 0x08000000}
DIE_WITH_PARENT, NO_NEW_PRIVILEGES, ADOPT_ORPHANS, KEEP_CAPABILITIES, SET_DUMPABLE = 1, 38, 36, 8, 4
CAP_DAC_READ_SEARCH = 2
FIRST_OWN_USERS = (2_000_000_000, 60_000)  # numbers that no account has; the second in small containers
OWN_USERS = 4096
OPEN_FILES = 128
COUNTS_BY_NAMESPACE = (5, 14)  # from this Linux on, a new user namespace counts tasks from 0
HEADROOM = 1024  # megabytes of addresses that TensorFlow's threads reserve, used or not

# System calls that a training has no use for, and that open ways out.
REFUSED_CALLS = (
    "socket", "ptrace", "process_vm_readv", "process_vm_writev", "unshare", "setns", "mount", "umount2",
    "pivot_root", "chroot", "keyctl", "add_key", "request_key", "bpf", "perf_event_open", "io_uring_setup",
    "io_uring_enter", "io_uring_register", "userfaultfd", "open_by_handle_at", "kexec_load", "init_module",
    "finit_module", "pidfd_open", "pidfd_send_signal", "pidfd_getfd", "rt_sigqueueinfo",
    "rt_tgsigqueueinfo", "setpriority", "sched_setaffinity", "mq_open", "msgget", "semget", "shmget",
    "memfd_create", "memfd_secret", "setsid", "setpgid", "socketpair", "shmat", "shmctl", "msgsnd", "msgrcv",
    "msgctl", "semop", "semtimedop", "semctl", "inotify_add_watch", "fanotify_init", "fanotify_mark",
    "utime", "utimes", "utimensat", "futimesat", "setxattr", "lsetxattr", "fsetxattr", "removexattr",
    "lremovexattr", "fremovexattr",
)  # fmt: skip
NEWER_CALLS = (463, 466, 469)  # setxattrat, removexattrat, file_setattr: the same number on all processors
# The flags by which clone makes namespaces.
CLONED = (0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000, 0x00020000)
INT = 0xFFFFFFFF  # of an argument, what the kernel looks at
# What fcntl and ioctl do to other processes: locks, leases, notices, signals.
FCNTL, IOCTL = (5, 6, 7, 8, 10, 15, 36, 37, 38, 1024, 1026), (0x8901, 0x8902)
OF_ANOTHER_PROCESS = ("prlimit64", "sched_setscheduler", "sched_setparam", "sched_setattr")
NOT_THERE = 38  # ENOSYS, after which libraries do without


@dataclass
class Layers:
    """Layers of protection.

    Attributes
    ----------
    on : list of str
        Those that are on.
    off : dict of str to str
        Those that could not be turned on, each with the reason.
    """

    on: list[str] = field(default_factory=list)
    off: dict[str, str] = field(default_factory=dict)

    def add(self, name: str, turn_on: Callable[[], None]) -> None:
        """Turn on a layer; whatever goes wrong is its reason."""
        ctypes.set_errno(0)  # some read it after a call that succeeded
        try:
            turn_on()
        except Exception as error:
            self.off[name] = f"{type(error).__name__}: {error}"
        else:
            self.on.append(name)


# Landlock lets these pass, so a submission that runs as the user who grades could reach the user's files.
REFUSED_TO_THE_SAME_USER = (
    "chmod", "fchmod", "fchmodat", "fchmodat2", "chown", "fchown", "lchown", "fchownat",
)  # fmt: skip


def die_with_parent() -> None:
    """Let the system end this process when its parent ends, however that ends."""
    if LINUX:
        _prctl(DIE_WITH_PARENT, 9)


def adopt_orphans() -> None:
    """Become the parent of processes whose own parent has ended."""
    if LINUX:
        _prctl(ADOPT_ORPHANS, 1)


def enter_namespaces(kinds: Sequence[str] = ("process", "network", "IPC")) -> Layers:
    """Move this process to namespaces of its own, where there is no network.

    The next process that it makes is the first of a process namespace, whose end ends all others in it.
    """
    layers = Layers()
    if not LINUX:
        return layers
    if os.geteuid() != 0:
        layers.add("user namespace", _become_root_of_a_namespace)
    for kind in kinds if not layers.off else ():
        layers.add(f"{kind} namespace", functools.partial(_unshare, kind))
    return layers


def _become_root_of_a_namespace() -> None:
    user, group = os.getuid(), os.getgid()
    _unshare("user")
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
    Path("/proc/self/gid_map").write_text(f"{group} {group} 1")


def _unshare(kind: str) -> None:
    if _libc().unshare(NEW_NAMESPACES[kind]):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def own_user(number: int) -> int | None:
    """Choose a user number for a submission, its own; None where this process may not change users."""
    if not LINUX or os.geteuid() != 0:
        return None
    lines = Path("/proc/self/uid_map").read_text().splitlines()
    mapped = [(int(first), int(count)) for first, _, count in map(str.split, lines)]
    for start in FIRST_OWN_USERS:
        if any(first <= start and start + OWN_USERS <= first + count for first, count in mapped):
            return start + number % OWN_USERS
    return None


def enter(limits: Limits, scratch: str, user: int | None, layers: Layers) -> None:
    """Give up, in this process and for good, what a submission must not have; add what is on to `layers`."""
    has_resource = importlib.util.find_spec("resource") is not None  # not on Windows
    if has_resource:
        layers.add("limits", lambda: set_limits(limits, _tasks_that_count(user, layers)))
    if not LINUX:
        return
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")  # where memory runs out, this one goes first
    _prctl(NO_NEW_PRIVILEGES, 1)
    layers.add("Landlock", lambda: restrict_files(scratch))
    keep_reading = "Landlock" in layers.on and not is_open_to_all()
    if user is not None:
        layers.add("user of its own", lambda: _become(user))
    _give_up_powers(keep_reading=user is not None and keep_reading)
    die_with_parent()  # again: a change of user undoes it
    refused = REFUSED_CALLS + (() if "user of its own" in layers.on else REFUSED_TO_THE_SAME_USER)
    layers.add("system call filter", lambda: restrict_calls(refused))


def set_limits(limits: Limits, tasks: int) -> None:
    """Set the limits that the system keeps for each process; `tasks` are already counted for its user."""
    import resource

    seconds = int(2 * limits.seconds) + 1  # of processor time, in case the monitor has ended
    wanted = {
        "RLIMIT_CORE": 0,
        "RLIMIT_CPU": seconds,
        "RLIMIT_FSIZE": limits.file_size * MEGABYTE,
        "RLIMIT_NOFILE": OPEN_FILES,
    }
    if LINUX:
        wanted["RLIMIT_AS"] = mapped_memory() + (limits.memory + HEADROOM) * MEGABYTE
        wanted["RLIMIT_NPROC"] = tasks + limits.processes
    for name, value in wanted.items():
        kind = getattr(resource, name)
        hard = resource.getrlimit(kind)[1]
        resource.setrlimit(
            kind, (value, value) if hard == resource.RLIM_INFINITY or value < hard else (hard, hard)
        )


def _tasks_that_count(user: int | None, layers: Layers) -> int:
    """Return how many tasks the system counts already against the limit of a submission's user."""
    counted_anew = "user namespace" in layers.on and _kernel() >= COUNTS_BY_NAMESPACE
    return 0 if user is not None or counted_anew else _tasks_of_this_user()


def _kernel() -> tuple[int, ...]:
    return tuple(int(part) for part in os.uname().release.split("-")[0].split(".")[:2])


def mapped_memory() -> int:
    """Return the size of this process's address space in bytes."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    return pages * os.sysconf("SC_PAGE_SIZE")


def _tasks_of_this_user() -> int:
    count = 0
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if process.stat().st_uid == os.getuid():
                count += len(os.listdir(process / "task"))
    return count


def restrict_files(scratch: str) -> None:
    """Allow reading where Python and the system's libraries are, writing in `scratch`, and nothing else."""
    from landlock import FSAccess, Ruleset

    rules = Ruleset()
    read_file = FSAccess.READ_FILE
    read = read_file | FSAccess.READ_DIR | FSAccess.EXECUTE
    for path in readable():
        rules.allow(path, rules=read if os.path.isdir(path) else read_file)
    rules.allow(*filter(os.path.exists, DEVICES), rules=read_file | FSAccess.WRITE_FILE)
    rules.allow("/proc/self", rules=read)  # whose cmdline TensorFlow asks for
    rules.allow(scratch)
    rules.apply()


SYSTEM = ("/usr/lib", "/usr/lib64", "/lib", "/lib64", "/usr/share/zoneinfo", "/sys/devices/system/cpu")
READABLE_FILES = ("/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/etc/localtime", "/etc/ld.so.cache")
DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/urandom", "/dev/random")


@functools.cache
def readable() -> tuple[str, ...]:
    """Return the paths of Python, its packages and the system's libraries; not the companion's."""
    paths = sysconfig.get_paths()
    folders = {paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    folders |= {os.path.join(sys.base_prefix, "lib"), *SYSTEM}
    own = os.path.realpath(Path(companion.__file__).parent)
    real = {os.path.realpath(folder) for folder in folders if os.path.isdir(folder)}
    found = {path for folder in real for path in _without(folder, own)}
    return (*sorted(found), *filter(os.path.isfile, READABLE_FILES))


def _without(folder: str, left_out: str) -> Iterator[str]:
    """Return `folder`; if `left_out` is in it, return everything else in it."""
    if not left_out.startswith(folder + os.sep):
        yield folder
        return
    for entry in os.scandir(folder):
        if entry.is_symlink() or os.path.realpath(entry.path) == left_out:
            continue
        yield from _without(entry.path, left_out) if entry.is_dir() else [entry.path]


@functools.cache
def is_open_to_all() -> bool:
    """Return whether every user may read Python and its packages: root's own are often closed to others."""
    folders = {folder for path in readable() for folder in (Path(path), *Path(path).parents)}
    return all(folder.stat().st_mode & 1 for folder in folders if folder.is_dir())


def _become(user: int) -> None:
    """Change to a user; powers of root stay until they are given up."""
    _prctl(KEEP_CAPABILITIES, 1)
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)


def _give_up_powers(*, keep_reading: bool) -> None:
    """Give up the powers of root; if needed, keep the one to read files."""
    kept = 1 << CAP_DAC_READ_SEARCH if keep_reading else 0
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)  # version 3 of the call, this process
    _libc().capset(header, (ctypes.c_uint32 * 6)(kept, kept))  # effective, permitted, inheritable


@functools.cache
def _seccomp() -> Any:
    return importlib.import_module("pyseccomp")


def restrict_calls(refused: Sequence[str]) -> None:
    """Refuse system calls, and signals to other processes."""
    seccomp = _seccomp()
    refuse = seccomp.ERRNO(1)  # EPERM
    rules = seccomp.SyscallFilter(seccomp.ALLOW)
    for name in refused:
        with contextlib.suppress(OSError, ValueError):  # not on this processor
            rules.add_rule(refuse, name)
    for kind in (0x01, 0x03):  # memory that is shared, and that no account of a process counts
        rules.add_rule(refuse, "mmap", seccomp.Arg(3, seccomp.MASKED_EQ, 0x0F, kind))
    for unnamed in NEWER_CALLS:
        rules.add_rule(refuse, unnamed)
    for option in (DIE_WITH_PARENT, SET_DUMPABLE):
        rules.add_rule(refuse, "prctl", seccomp.Arg(0, seccomp.MASKED_EQ, INT, option))
    missing = seccomp.ERRNO(NOT_THERE)
    rules.add_rule(missing, "flock")
    rules.add_rule(missing, "clone3")  # what it is to make stands in memory; clone says it
    for kind in CLONED:
        rules.add_rule(refuse, "clone", seccomp.Arg(0, seccomp.MASKED_EQ, kind, kind))
    for name, commands in (("fcntl", FCNTL), ("ioctl", IOCTL)):
        for code in commands:
            rules.add_rule(missing, name, seccomp.Arg(1, seccomp.MASKED_EQ, INT, code))
    for call in OF_ANOTHER_PROCESS:
        rules.add_rule(refuse, call, seccomp.Arg(0, seccomp.NE, 0))
    rules.add_rule(refuse, "ioprio_set", seccomp.Arg(1, seccomp.NE, 0))
    rules.add_rule(refuse, "fallocate", seccomp.Arg(1, seccomp.NE, 0))  # blocks beyond the end of a file
    me = os.getpid()
    for name in ("kill", "tgkill"):
        rules.add_rule(refuse, name, seccomp.Arg(0, seccomp.NE, me))
    rules.add_rule(refuse, "tkill")
    rules.load()


def get_ready() -> None:
    """Look up what is needed inside, where it could not be read any more."""
    readable()
    is_open_to_all()
    with contextlib.suppress(Exception):  # inside, it fails again, and that is the reason that is told
        _seccomp()
    with contextlib.suppress(Exception):
        importlib.import_module("landlock")


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _prctl(option: int, value: int) -> None:
    _libc().prctl(option, value, 0, 0, 0)
