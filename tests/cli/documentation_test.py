#!/usr/bin/env python3
"""What the documentation tells people to type: every command and option exists, examples parse."""
import pathlib
import re
import shlex
import subprocess
import unittest

from bantam_cli import COMMON, ROOT, commands, options_of, run

try:
    import yaml
except ImportError:
    yaml = None

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
WORKFLOWS = sorted((ROOT / "docs/examples").glob("*.yml"))
KNOWN = {}  # of each command: its long and short options


def known_options(command):
    if command not in KNOWN:
        text = run(command, "--help").stdout.split("\nExamples:")[0]
        KNOWN[command] = options_of(command) | COMMON | set(re.findall(r"^  (-\w),", text, re.M))
    return KNOWN[command]


def blocks(page, *languages):
    """The fenced code of a Markdown page in these languages."""
    fences = re.findall(r"^```(\w*)\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S)
    return [code for language, code in fences if language in languages]


def bantam_lines(code):
    """The words of each `bantam ...` that a script runs, up to a pipe, redirection or the next command."""
    for line in code.replace("\\\n", " ").splitlines():
        match = re.match(r"\s*(?:\$ )?bantam (.*)", line)
        if match:
            words = shlex.shlex(match[1], posix=True, punctuation_chars=True)
            words.whitespace_split = True
            yield words_before_operator(list(words))


def words_before_operator(words):
    for i, word in enumerate(words):
        if re.fullmatch(r"[|&;<>()]+", word):
            return words[:i]
    return words


def complaints(words):
    """What is wrong with a command line, in words; empty where nothing is."""
    if words[0].startswith("-"):
        return [] if words[0] in {"--help", "--version"} else [f"bantam has no option {words[0]}"]
    if words[0] == "COMMAND":  # a placeholder
        return []
    if words[0] not in commands():
        return [f"there is no command {words[0]}"]
    options = [word.split("=")[0] for word in words[1:] if re.match(r"--?[A-Za-z]", word)]
    return [f"bantam {words[0]} has no option {option}" for option in options if option not in known_options(words[0])]


class Commands(unittest.TestCase):
    def check(self, name, code):
        found = list(bantam_lines(code))
        for words in found:
            with self.subTest(f"{name}: bantam {' '.join(words)}"):
                self.assertEqual(complaints(words), [])
        return found

    def test_those_of_the_pages_exist(self):
        found = {}
        for page in PAGES:
            code = "".join(blocks(page, "", "sh", "bash", "console"))
            code += "".join(re.findall(r"^    bantam .*\n", page.read_text(encoding="utf-8"), re.M))  # indented code
            found[page.name] = self.check(page.name, code)
        self.assertGreater(len(found["evaluate.md"]), 9)
        self.assertGreater(len(found["README.md"]), 4)

    def test_those_of_the_workflows_exist(self):
        self.assertTrue(WORKFLOWS)
        for workflow in WORKFLOWS:
            found = [words[0] for words in self.check(workflow.name, workflow.read_text())]
            self.assertLessEqual({"convert", "compare"}, set(found))

    def test_what_does_not_exist_is_noticed(self):
        lines = list(bantam_lines("  bantam evaluate ./b --data d.tsv \\\n  --max-kil 1 | tee x --y\nbantam frob\n"
                                  "bantam convert x -o y -z\nx bantam nothing\n"))
        self.assertEqual([complaint for words in lines for complaint in complaints(words)],
                         ["bantam evaluate has no option --max-kil", "there is no command frob",
                          "bantam convert has no option -z"])

    def test_every_option_of_evaluate_and_compare_is_shown(self):
        lines = [words for code in blocks(ROOT / "docs/evaluate.md", "sh") for words in bantam_lines(code)]
        for command in ("evaluate", "compare"):
            used = {word for words in lines if words[0] == command for word in words}
            self.assertEqual(options_of(command) - COMMON - used, set(), command)


class Examples(unittest.TestCase):
    def test_python_compiles(self):
        code = blocks(ROOT / "docs/evaluate.md", "python")
        self.assertTrue(code)
        for block in code:
            compile(block, "docs/evaluate.md", "exec")

    @unittest.skipUnless(yaml, "left out: python3-yaml is not installed (scripts/setup --tests installs it)")
    def test_workflows_parse_and_so_do_their_scripts(self):
        for workflow in WORKFLOWS:
            content = yaml.safe_load(workflow.read_text())
            scripts = [step["run"] for job in content["jobs"].values() for step in job["steps"] if "run" in step]
            self.assertTrue(scripts)
            for script in scripts:
                plain = re.sub(r"\$\{\{.*?\}\}", "value", script)  # what GitHub fills in
                result = subprocess.run(["bash", "-n"], input=plain, text=True, capture_output=True)
                self.assertEqual((result.returncode, result.stderr), (0, ""))

    def test_links_between_pages_lead_somewhere(self):
        for page in PAGES:
            for target in re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
                self.assertTrue((page.parent / target).exists(), f"{page.name}: {target}")


if __name__ == "__main__":
    unittest.main()
