#!/usr/bin/env python3
"""The frame of the command line: help, errors, exit codes."""
import os
import shlex
import subprocess
import unittest

from bantam_cli import BANTAM, COMMON, commands, options_of, run


class Help(unittest.TestCase):
    def test_overview_lists_commands_and_exit_codes(self):
        result = run("--help")
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assertLessEqual({"completion", "man"}, set(commands()))
        self.assertIn("Exit codes: 0 done, 1 failed, 2 wrong usage, 3", result.stdout)

    def test_every_command_explains_itself_with_two_examples(self):
        for command in commands():
            with self.subTest(command):
                result = run(command, "--help")
                self.assertEqual((result.returncode, result.stderr), (0, ""))
                self.assertTrue(result.stdout.startswith(f"bantam {command} - "))
                usage, rest = result.stdout.split("\n\n", 2)[1:]
                self.assertTrue(usage.startswith(f"Usage: bantam {command}"))
                paragraph = rest.split("\n\n")[0]
                self.assertGreater(len(paragraph.split()), 25, "the description teaches too little")
                self.assertLessEqual(max(map(len, result.stdout.split("\nExamples:")[0].splitlines())), 100)
                self.assertLessEqual(COMMON, options_of(command))

    def test_examples_use_only_options_that_exist(self):
        for command in commands():
            with self.subTest(command):
                examples = run(command, "--help").stdout.split("\nExamples:\n")[1].splitlines()
                lines = [line.strip() for line in examples if not line.startswith("  #")]
                self.assertGreaterEqual(len(lines), 2)
                self.assertEqual(len(lines) * 2, len(examples), "each example has one line that says what it does")
                for line in lines:
                    words = shlex.split(line.split("|")[0].split(">")[0])
                    self.assertEqual(words[:2], ["bantam", command], line)
                    used = {word.split("=")[0] for word in words if word.startswith("--")}
                    self.assertLessEqual(used, options_of(command), line)

    def test_help_wins_over_mistakes_on_the_same_line(self):
        self.assertEqual(run("man", "--nonsense", "--help").returncode, 0)


class Version(unittest.TestCase):
    def test_is_one_line(self):
        for flag in ("--version", "-V"):
            result = run(flag)
            self.assertRegex(result.stdout, r"\Abantam \d+\.\d+\.\d+\n\Z")
            self.assertEqual((result.returncode, result.stderr), (0, ""))


class Usage(unittest.TestCase):
    def refused(self, *arguments, code=2):
        result = run(*arguments)
        self.assertEqual(result.returncode, code, result.stderr)
        self.assertEqual(result.stdout, "")
        self.assertRegex(result.stderr, r"\Abantam: [^\n]+\n\Z")
        return result.stderr

    def test_no_command_prints_help_and_fails(self):
        result = run()
        self.assertEqual((result.returncode, result.stdout), (2, ""))
        self.assertIn("Usage: bantam COMMAND", result.stderr)

    def test_unknown_command_suggests_the_nearest(self):
        self.assertIn("did you mean 'bantam completion'?", self.refused("completoin"))
        self.assertIn("'bantam --help' lists them", self.refused("zzzzzz"))
        self.assertIn("options follow it", self.refused("--verbose", "man"))

    def test_unknown_option_suggests_the_nearest_in_every_command(self):
        for command in commands():
            with self.subTest(command):
                message = self.refused(command, "--verbsoe")
                self.assertIn("unknown option '--verbsoe'; did you mean '--verbose'?", message)
                self.assertIn(f"bantam {command} --help", message)

    def test_values_are_checked(self):
        self.assertIn("'tcsh' is not one of bash, zsh, fish", self.refused("completion", "tcsh"))
        self.assertIn("SHELL is missing", self.refused("completion"))
        self.assertIn("unexpected argument 'zsh'", self.refused("completion", "bash", "zsh"))
        self.assertIn("--output: a value is missing", self.refused("man", "--output"))

    def test_hostile_words_cannot_reach_the_terminal(self):
        message = self.refused("a\x1b[2J\nb")
        self.assertNotIn("\x1b", message)
        self.assertIn(r"a\x1b[2J\x0ab", message)


class StandardOutput(unittest.TestCase):
    def test_a_full_disk_is_an_error(self):
        with open("/dev/full", "w") as full:
            result = subprocess.run([BANTAM, "--help"], stdout=full, stderr=subprocess.PIPE, text=True)
        self.assertEqual(result.returncode, 1)
        self.assertEqual(result.stderr, "bantam: standard output: cannot write: No space left on device\n")

    def test_a_reader_that_went_away_is_a_failure_not_a_crash(self):
        read, write = os.pipe()
        os.close(read)
        result = subprocess.run([BANTAM, "--help"], stdout=write, stderr=subprocess.PIPE, text=True)
        os.close(write)
        self.assertEqual(result.returncode, 1)
        self.assertRegex(result.stderr, r"\Abantam: standard output: cannot write: Broken pipe\n\Z")


if __name__ == "__main__":
    unittest.main()
