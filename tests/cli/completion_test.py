#!/usr/bin/env python3
"""Completion scripts, asked in the shells themselves."""
import os
import pathlib
import pty
import re
import select
import shlex
import shutil
import subprocess
import tempfile
import time
import unittest

from bantam_cli import BANTAM, commands, options_of, run

ENV = dict(os.environ, LC_ALL="C.UTF-8", TERM="xterm", PATH=f"{pathlib.Path(BANTAM).parent}:{os.environ['PATH']}")


def needs(shell):
    return unittest.skipUnless(shutil.which(shell),
                               f"left out: {shell} is not installed (scripts/setup --tests installs it)")


def typed(shell, setup, text, expected, seconds=20):
    """Whether `expected` shows up on the screen of an interactive shell after `text` was typed."""
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(tempfile.gettempdir())
        os.execvpe(shell[0], shell, ENV)
    screen = ""

    def wait_for(pattern):
        nonlocal screen
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if select.select([terminal], [], [], 0.1)[0]:
                try:
                    screen += os.read(terminal, 65536).decode(errors="replace")
                except OSError:
                    return False
            plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\r|\x07", "", screen)
            if re.search(pattern, re.sub(r".\x08", "", plain)):
                return True
        return False

    try:
        os.write(terminal, f"{setup}; echo rea''dy\n".encode())
        if not wait_for(r"(?m)^ready$"):
            raise AssertionError(f"{shell[0]} did not start: {screen!r}")
        screen = ""
        os.write(terminal, text.encode())
        return wait_for(expected) or screen
    finally:
        os.close(terminal)
        os.kill(child, 9)
        os.waitpid(child, 0)


@needs("bash")
class Bash(unittest.TestCase):
    def ask(self, *words, folder="/"):
        """What the function answers for these words; the last one is being typed."""
        line = " ".join(map(shlex.quote, words))
        script = (f"source <({shlex.quote(BANTAM)} completion bash); COMP_WORDS=({line}); "
                  f"COMP_CWORD={len(words) - 1}; _bantam; printf '%s\\n' \"${{COMPREPLY[@]}}\"")
        result = subprocess.run(["bash", "--norc", "-u", "-c", script], text=True, capture_output=True, cwd=folder,
                                check=True)
        self.assertEqual(result.stderr, "")
        return set(result.stdout.split("\n")) - {""}

    def test_offers_every_command(self):
        self.assertEqual(self.ask("bantam", ""), {*commands(), "--help", "--version"})

    def test_offers_every_option_of_every_command(self):
        for command in commands():
            self.assertEqual(self.ask("bantam", command, "--"), options_of(command), command)

    def test_offers_the_words_an_argument_takes(self):
        self.assertEqual(self.ask("bantam", "completion", ""), {"bash", "zsh", "fish"})
        self.assertEqual(self.ask("bantam", "completion", "z"), {"zsh"})

    def test_offers_folders_for_folders(self):
        with tempfile.TemporaryDirectory() as folder:
            pathlib.Path(folder, "a folder").mkdir()
            pathlib.Path(folder, "a file").touch()
            self.assertEqual(self.ask("bantam", "man", "-o", "a", folder=folder), {"a folder"})
            self.assertEqual(self.ask("bantam", "man", "--output", "=", folder=folder), {"a folder"})
            self.assertEqual(self.ask("bantam", "man", "--output", "=", "a", folder=folder), {"a folder"})

    def test_works_at_a_prompt(self):
        setup = f"source <({shlex.quote(BANTAM)} completion bash)"
        self.assertIs(typed(["bash", "--norc", "-i"], setup, "bantam compl\tz\t", "bantam completion zsh "), True)


@needs("zsh")
class Zsh(unittest.TestCase):
    def setup_line(self, folder):
        pathlib.Path(folder, "_bantam").write_text(run("completion", "zsh").stdout)
        return f"fpath=({folder} $fpath); autoload -U compinit; compinit -u -d {folder}/dump"

    def test_has_no_syntax_errors(self):
        result = subprocess.run(["zsh", "-n"], input=run("completion", "zsh").stdout, text=True, capture_output=True)
        self.assertEqual((result.returncode, result.stderr), (0, ""))

    def test_works_at_a_prompt(self):
        for text, expected in [("bantam compl\tz\t", "bantam completion zsh "),
                               ("bantam man --outp\t", "bantam man --output"),
                               ("bantam \t", "(?s)completion.*man")]:
            with self.subTest(text), tempfile.TemporaryDirectory() as folder:
                self.assertIs(typed(["zsh", "-f", "-i"], self.setup_line(folder), text, expected), True)


@needs("fish")
class Fish(unittest.TestCase):
    def ask(self, line, folder="/"):
        script = f"{shlex.quote(BANTAM)} completion fish | source; complete -C {shlex.quote(line)}"
        result = subprocess.run(["fish", "--no-config", "-c", script], text=True, capture_output=True, check=True,
                                cwd=folder, env=ENV)
        self.assertEqual(result.stderr, "")
        return dict((line.split("\t") + [""])[:2] for line in result.stdout.splitlines())

    def test_offers_every_command_with_its_summary(self):
        offered = self.ask("bantam ")
        self.assertEqual(set(offered), set(commands()))
        self.assertEqual(offered["man"], "print a manual page")

    def test_offers_every_option_of_every_command(self):
        for command in commands():
            self.assertEqual(set(self.ask(f"bantam {command} --")), options_of(command), command)

    def test_offers_words_and_folders(self):
        self.assertEqual(set(self.ask("bantam completion ")), {"bash", "zsh", "fish"})
        with tempfile.TemporaryDirectory() as folder:
            pathlib.Path(folder, "inner").mkdir()
            pathlib.Path(folder, "in.txt").touch()
            self.assertEqual(set(self.ask("bantam man -o in", folder)), {"inner/"})


if __name__ == "__main__":
    unittest.main()
