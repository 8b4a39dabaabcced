"""What the command-line tests share. ctest names the binary by BANTAM; by hand it is that of the release preset."""
import os
import pathlib
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
BANTAM = os.environ.get("BANTAM", str(ROOT / "build/release/apps/bantam/bantam"))
COMMON = {"--help", "--quiet", "--verbose"}


def run(*arguments, binary=BANTAM, **options):
    """The finished process, its output as text. No terminal, no colours, a known locale."""
    env = dict(os.environ, LC_ALL="C.UTF-8", **options.pop("env", {}))
    return subprocess.run([binary, *arguments], env=env, text=True, capture_output=True, timeout=120, **options)


def commands():
    """The names that `bantam --help` lists."""
    section = run("--help").stdout.split("Commands:\n")[1].split("\n\n")[0]
    return [line.split()[0] for line in section.splitlines() if re.match(r"  \S", line)]


def options_of(command):
    """Long options that a command's help declares."""
    text = run(command, "--help").stdout.split("\nExamples:")[0]
    return set(re.findall(r"^  (?:    |-\w, )(--[a-z][a-z0-9-]*)", text, re.M))
