"""./run demo --watch on a terminal: terminal_test.py DEMO. The terminal is a pseudo-terminal that is read here."""
import fcntl
import os
import pathlib
import pty
import re
import select
import signal
import struct
import sys
import tempfile
import termios
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import tally  # noqa: E402

ENTER, LEAVE, HOME = "\033[?1049h", "\033[?1049l", "\033[H"
ESCAPE = re.compile(r"\033\[[?\d;]*[a-zA-Z]")
SECONDS = 60


class Terminal:
    """The demo on a terminal of its own, and all that it has sent there."""

    def __init__(self, arguments, columns=80, rows=24, **environment):
        self.sent = b""
        self.status = None
        self.process, self.end = pty.fork()
        if self.process == 0:
            os.environ.update({"TERM": "xterm", "LC_ALL": "C.UTF-8", **environment})
            if columns:
                fcntl.ioctl(2, termios.TIOCSWINSZ, struct.pack("4H", rows, columns, 0, 0))
            os.execv(arguments[0], arguments)
        self.resize(columns, rows)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.status is None:
            os.kill(self.process, signal.SIGKILL)
            os.waitpid(self.process, 0)
        os.close(self.end)

    @property
    def text(self):
        return self.sent.decode(errors="ignore")  # the last sign may be half here

    def resize(self, columns, rows):
        fcntl.ioctl(self.end, termios.TIOCSWINSZ, struct.pack("4H", rows, columns, 0, 0))

    def read(self, until=lambda: False):
        """Until then, or until the program has ended, which is noticed as its side being closed."""
        deadline = time.monotonic() + SECONDS
        while not until():
            assert time.monotonic() < deadline, f"it never came:\n{self.text[-2000:]!r}"
            if not select.select([self.end], [], [], 0.2)[0]:
                continue
            try:
                self.sent += os.read(self.end, 65536)
            except OSError:  # EIO: closed
                return

    def finish(self):
        self.read()
        self.status = os.waitstatus_to_exitcode(os.waitpid(self.process, 0)[1])
        return self.status

    def frames(self):
        """What was drawn, each as its lines."""
        drawn = self.text.split(ENTER)[1].split(LEAVE)[0].split(HOME)[1:]
        return [[ESCAPE.sub("", line) for line in re.split(r"\r+\n", frame)] for frame in drawn]


def draws_and_leaves(command):
    with Terminal(command) as terminal:
        assert terminal.finish() == 0, terminal.text
        assert terminal.text.count(ENTER) == terminal.text.count(LEAVE) == 1
        assert terminal.text.rindex("\033[?25h") > terminal.text.rindex("\033[?25l"), "the cursor is hidden"
        frames = terminal.frames()
        assert len(frames) > 1
        assert all(len(frame) <= 24 and all(len(line) <= 80 for line in frame) for frame in frames)
        assert "collection" in frames[-1][0] and "pause" in frames[-1][0], frames[-1][0]
        assert any("searched in vain" in line for line in frames[-1])
        after = terminal.text.split(LEAVE)[1]
        assert "digest" in after and "\033" not in after, after


def restores_after(number, command):
    with Terminal(command) as terminal:
        terminal.read(lambda: HOME in terminal.text)
        if number == signal.SIGINT:
            os.write(terminal.end, b"\x03")  # as a person does it
        else:
            os.kill(terminal.process, number)
        assert terminal.finish() == -number, terminal.status
        assert terminal.text.rstrip().endswith(LEAVE), terminal.text[-100:]


def stops_and_goes_on(command):
    with Terminal(command) as terminal:
        terminal.read(lambda: HOME in terminal.text)
        # No shell is here to go on without it, so the kernel does not really stop it.
        os.kill(terminal.process, signal.SIGTSTP)
        terminal.read(lambda: terminal.text.count(ENTER) == 2)
        assert re.search(re.escape(LEAVE) + r"\S*?" + re.escape(ENTER), terminal.text)
        terminal.read(lambda: HOME in terminal.text.split(ENTER)[2])
        assert terminal.finish() == 0
        assert terminal.text.count(LEAVE) == 2


def follows_the_size(command):
    with Terminal(command, columns=100, rows=30) as terminal:
        terminal.read(lambda: HOME in terminal.text)
        terminal.resize(40, 12)
        before = terminal.text.count(HOME)
        assert terminal.finish() == 0
        frames = terminal.frames()
        assert max(len(line) for line in frames[0]) > 40
        later = frames[before + 1:]  # one may have been on its way
        assert later and all(len(frame) <= 12 and all(len(line) <= 40 for line in frame) for frame in later)


def is_plain(command, **environment):
    with Terminal(command, **environment) as terminal:
        assert terminal.finish() == 0, terminal.text
        assert "\033" not in terminal.text
        assert re.search(r"uffd_async +\d+ % +collection +\d+ minor", terminal.text), terminal.text


def is_ascii(command, **environment):
    with Terminal(command, **environment) as terminal:
        assert terminal.finish() == 0
        assert ENTER in terminal.text and terminal.text.isascii()
        assert not re.search(r"\033\[38", terminal.text) or "NO_COLOR" not in environment


def main():
    with tempfile.TemporaryDirectory() as folder:
        text = pathlib.Path(folder) / "text"
        text.write_text("".join(f"line {i} follows line {i - 1} of {i * i % 5003}\n" for i in range(20000)))
        command = [sys.argv[1], "--watch", "--barrier", "uffd_async", "--mb", "8", str(text)]
        tally.check("the map is drawn, and the terminal is left as it was", draws_and_leaves, command)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            tally.check(f"the terminal is restored after {number.name}", restores_after, number, command)
        tally.check("it goes on after a stop", stops_and_goes_on, command)
        tally.check("the map follows the terminal's size", follows_the_size, command)
        tally.check("TERM=dumb gets plain lines", lambda: is_plain(command, TERM="dumb"))
        tally.check("no TERM gets plain lines", lambda: is_plain(command, TERM=""))
        tally.check("a locale without Unicode gets ASCII", lambda: is_ascii(command, LC_ALL="C"))
        tally.check("NO_COLOR gets letters without colours", lambda: is_ascii(command, LC_ALL="C", NO_COLOR="1"))
    tally.finish()


if __name__ == "__main__":
    main()
