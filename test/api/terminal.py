"""A terminal for programs that draw on one: what stands on its screen, and keys to press."""
import codecs
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios

from waiting import wait_until

ESCAPE = re.compile(r"\x1b(?:\[([0-?]*)[ -/]*([@-~])|\][^\x07\x1b]*(?:\x07|\x1b\\)|[^\[\]])")


class Terminal:
    def __init__(self, argv, env, lines=50, columns=160):
        self.cells = [[" "] * columns for _ in range(lines)]
        self.line = self.column = 0
        self.decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self.rest = ""
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        size = {"LINES": str(lines), "COLUMNS": str(columns)}  # pytest-xdist sets others, which would count more
        self.process = subprocess.Popen(argv, env={**env, **size, "TERM": "xterm-256color"}, stdin=slave, stdout=slave,
                                        stderr=slave, start_new_session=True)
        os.close(slave)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        os.close(self.master)

    def press(self, keys):
        os.write(self.master, keys.encode())

    def click(self, text):
        """Where it stands on the screen."""
        self.shows(text)
        line, column = next((n, row.index(text)) for n, row in enumerate(self.screen().split("\n"), 1) if text in row)
        self.press(f"\x1b[<0;{column + 1};{line}M\x1b[<0;{column + 1};{line}m")

    def shows(self, *texts):
        """Waits until all of these are on the screen."""
        try:
            wait_until(lambda: all(text in self.screen() for text in texts))
        except AssertionError:
            raise AssertionError(f"no {texts} on the screen:\n{self.screen()}") from None

    def screen(self):
        while select.select([self.master], [], [], 0)[0]:
            try:
                self._write(self.decode(os.read(self.master, 65536)))
            except OSError:  # nobody is on the other side any more
                break
        return "\n".join("".join(cells).rstrip() for cells in self.cells)

    def _write(self, text):
        text = self.rest + text
        self.rest = ""
        at = 0
        while at < len(text):
            if text[at] != "\x1b":
                self._put(text[at])
                at += 1
            elif escape := ESCAPE.match(text, at):
                if escape[2] == "H":
                    self.line, self.column = ([int(n or 1) - 1 for n in escape[1].split(";")] + [0])[:2]
                at = escape.end()
            else:  # the others set colours and modes; this one comes in two parts
                self.rest = text[at:]
                return

    def _put(self, c):
        if c == "\r":
            self.column = 0
        elif c == "\n":
            self.line, self.column = self.line + 1, 0
        elif self.line < len(self.cells) and self.column < len(self.cells[0]):
            self.cells[self.line][self.column] = c
            self.column += 1
