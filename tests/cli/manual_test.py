#!/usr/bin/env python3
"""Manual pages: one per command, saying what --help says, in roff that mandoc finds nothing wrong with."""
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

from bantam_cli import commands, options_of, run


def rendered(roff):
    """The page as plain text, hyphens and all, on lines too long to wrap."""
    result = subprocess.run(["mandoc", "-T", "utf8", "-O", "width=900"], input=roff, text=True, capture_output=True,
                            check=True)
    return re.sub(r".\x08", "", result.stdout)  # overstriking


@unittest.skipUnless(shutil.which("mandoc"), "left out: mandoc is not installed (scripts/setup --tests installs it)")
class ManualPages(unittest.TestCase):
    def test_every_command_has_one_that_names_all_its_options(self):
        for command in commands():
            with self.subTest(command):
                text = rendered(run("man", command).stdout)
                for section in ("NAME", "SYNOPSIS", "DESCRIPTION", "EXAMPLES", "EXIT STATUS", "SEE ALSO"):
                    self.assertRegex(text, rf"(?m)^{section}$")
                for option in options_of(command):
                    self.assertIn(option, text)
                help_text = run(command, "--help").stdout
                for example in re.findall(r"^  (bantam .*)$", help_text.split("\nExamples:\n")[1], re.M):
                    self.assertIn(example, text)

    def test_the_overview_names_every_command(self):
        text = rendered(run("man").stdout)
        for command in commands():
            self.assertIn(f"bantam-{command}(1)", text)

    def test_mandoc_has_nothing_to_complain_about(self):
        with tempfile.TemporaryDirectory() as folder:
            self.assertEqual(run("man", "--output", folder).returncode, 0)
            pages = sorted(pathlib.Path(folder).iterdir())
            self.assertEqual({page.name for page in pages},
                             {"bantam.1"} | {f"bantam-{command}.1" for command in commands()})
            for page in pages:
                # A page without a date is the same whenever it is built: the one warning that is meant.
                lint = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", page], text=True, capture_output=True)
                found = [line for line in lint.stdout.splitlines() if "missing date" not in line]
                self.assertEqual(found, [], page.name)

    def test_writing_again_replaces_the_pages(self):
        with tempfile.TemporaryDirectory() as folder:
            for _ in range(2):
                self.assertEqual(run("man", "--output", folder).returncode, 0)


class Refusals(unittest.TestCase):
    def test_unknown_page(self):
        result = run("man", "nonsense")
        self.assertEqual(result.returncode, 2)
        self.assertIn("'nonsense' is not one of", result.stderr)

    def test_unwritable_folder(self):
        result = run("man", "--output", "/proc/nowhere")
        self.assertEqual(result.returncode, 1)
        self.assertRegex(result.stderr, r"\Abantam: /proc/nowhere[^\n]*\n\Z")


if __name__ == "__main__":
    unittest.main()
