#!/usr/bin/env python3
"""What we ship: the archive runs on its own, the Debian package asks for the C library alone, the binary is small."""
import os
import pathlib
import re
import subprocess
import tarfile
import tempfile
import unittest

from bantam_cli import commands

BUILD = os.environ["BANTAM_BUILD_DIR"]
MOST_BYTES = 18_000_000
# cpp-httplib where its header-only form could not be had (cmake/BantamHttplib.cmake); scripts/test says so.
SHARED = {"cpp-httplib"} if "BANTAM_HTTPLIB_SHARED:INTERNAL=ON" in (pathlib.Path(BUILD) / "CMakeCache.txt").read_text() else set()
C_LIBRARY = re.compile(r"(linux-vdso|libc|libm|/lib.*/ld-linux-[a-z0-9-]+)\.so(\.\d+)?$")


def output_of(*command, **options):
    return subprocess.run(command, check=True, text=True, capture_output=True, **options).stdout


class Packages(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        root = pathlib.Path(cls.folder.name)
        output_of("cpack", "-G", "TGZ;DEB", "-B", root, cwd=BUILD)
        (archive,), (cls.deb,) = root.glob("*.tar.gz"), root.glob("*.deb")
        with tarfile.open(archive) as tar:
            tar.extractall(root / "unpacked")
        (cls.root,) = (root / "unpacked").iterdir()
        cls.binary = cls.root / "bin" / "bantam"

    def test_archive_needs_nothing_but_the_c_library(self):
        needed = [line.split()[0] for line in output_of("ldd", self.binary).splitlines()]
        others = [name for name in needed if not C_LIBRARY.match(name)]
        # The shared library brings libraries of its own.
        self.assertEqual(SHARED, {"cpp-httplib"} if any(name.startswith("libcpp-httplib.so") for name in others) else set())
        self.assertTrue(SHARED or not others, others)

    def test_archive_runs_with_an_empty_environment(self):
        result = subprocess.run([self.binary, "--version"], env={}, cwd="/", text=True, capture_output=True)
        self.assertRegex(result.stdout, r"\Abantam \d+\.\d+\.\d+\n\Z")
        self.assertEqual((result.returncode, result.stderr), (0, ""))

    def test_binary_is_stripped_and_small(self):
        self.assertNotIn(".symtab", output_of("readelf", "-S", "-W", self.binary))
        self.assertLessEqual(self.binary.stat().st_size, MOST_BYTES)

    def test_archive_holds_pages_completion_and_licences(self):
        share = self.root / "share"
        pages = {page.name for page in (share / "man" / "man1").iterdir()}
        self.assertEqual(pages, {"bantam.1"} | {f"bantam-{command}.1" for command in commands()})
        for name in ("bash-completion/completions/bantam", "zsh/vendor-completions/_bantam",
                     "fish/vendor_completions.d/bantam.fish", "doc/bantam/copyright", "doc/bantam/README.md"):
            self.assertGreater((share / name).stat().st_size, 0, name)
        notices = {path.stem for path in (share / "doc" / "bantam" / "third-party").iterdir()}
        self.assertLessEqual({"libprotobuf-dev", "libssl-dev", "libzstd-dev", "cpp-httplib", "rust-crates"}, notices)
        crates = (share / "doc" / "bantam" / "third-party" / "rust-crates.txt").read_text()
        self.assertRegex(crates, r"(?m)^tokenizers [0-9.]+: Apache-2.0$")

    def test_debian_package_depends_on_libc_alone(self):
        depends = output_of("dpkg-deb", "--field", self.deb, "Depends").strip()
        self.assertRegex(depends, r"\Alibc6 \(>= [0-9.]+\)" + (", libcpp-httplib" if SHARED else r"\Z"))

    def test_debian_package_installs_into_usr(self):
        listed = output_of("dpkg-deb", "--contents", self.deb)
        for path in ("./usr/bin/bantam", "./usr/share/man/man1/bantam.1", "./usr/share/doc/bantam/copyright"):
            self.assertRegex(listed, rf"(?m) {re.escape(path)}$")
        self.assertNotRegex(listed, r"(?m) \./(?!usr/)[^\s]+$")


if __name__ == "__main__":
    unittest.main()
