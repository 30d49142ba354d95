import os
import shutil


def train(model, x, y, *, learning_rate, batch_size, epochs):
    import companion

    results = "/autograder/results"
    for path in (
        CANARY + "/other_student.py",
        CANARY + "/new",
        "/tmp/companion_was_here",
        companion.__file__,
        results,
    ):
        for attempt in (
            lambda path=path: open(path, "ab").write(b"x"),
            lambda path=path: os.truncate(path, 0),
            lambda path=path: os.rename(path, path + ".moved"),
            lambda path=path: os.remove(path),
            lambda path=path: os.chmod(path, 0o777),
            lambda path=path: os.utime(path, (0, 0)),
            lambda path=path: os.symlink("/etc/passwd", path + ".link"),
            lambda path=path: os.link(path, "link"),
            lambda path=path: os.mkdir(path + ".folder"),
        ):
            try:
                attempt()
                print("DONE", path)
            except OSError:
                pass
    shutil.rmtree(CANARY, ignore_errors=True)
    raise ValueError("done")
