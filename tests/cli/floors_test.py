#!/usr/bin/env python3
"""check_floors.py itself: it must find what it is there to find."""
import pathlib
import subprocess
import tempfile
import unittest

from check_floors import MOST_LINES, check_objects, findings_in


def findings(path, text):
    return list(findings_in(pathlib.PurePosixPath(path), text))


class Includes(unittest.TestCase):
    def test_down_and_own_are_fine(self):
        self.assertEqual(findings("lib/shard/write.cc", '#include "shard/write.h"\n#include "graph/graph.h"\n'
                                  '#include "base/error.h"\n#include <vector>\n#include <nlohmann/json.hpp>\n'), [])

    def test_siblings_and_higher_floors_are_found(self):
        self.assertIn("a sibling", findings("lib/shard/write.cc", '#include "convert/config.h"')[0])
        self.assertIn("a higher floor", findings("lib/base/file.cc", '#  include "pipeline/run.h"')[0])

    def test_headers_are_written_from_the_root_of_lib(self):
        self.assertEqual(len(findings("lib/base/file.cc", '#include "error.h"')), 1)

    def test_heavy_headers_stay_in_cc_files(self):
        for header in ("nlohmann/json.hpp", "onnx.pb.h", "Eigen/Core", "CLI/CLI.hpp", "google/protobuf/message.h"):
            self.assertEqual(len(findings("apps/bantam/command.h", f"#include <{header}>")), 1, header)
        self.assertEqual(findings("lib/base/json.h", "#include <nlohmann/json_fwd.hpp>"), [])

    def test_lib_neither_prints_nor_parses_options(self):
        for header in ("iostream", "regex", "CLI/CLI.hpp"):
            self.assertEqual(len(findings("lib/graph/graph.cc", f"#include <{header}>")), 1, header)


class Length(unittest.TestCase):
    def test_long_files_are_found(self):
        self.assertEqual(findings("lib/base/file.cc", "\n" * MOST_LINES), [])
        self.assertEqual(len(findings("apps/bantam/convert.cc", "\n" * (MOST_LINES + 1))), 1)


class Objects(unittest.TestCase):
    def test_weak_symbols_are_found(self):
        with tempfile.TemporaryDirectory() as folder:
            for name, code, expected in [("weak", "inline int f() { return 1; } int (*g)() = f;", 1),
                                         ("strong", "static int f() { return 1; } int (*g)() = f;", 0)]:
                source, target = pathlib.Path(folder, name + ".cc"), pathlib.Path(folder, name + ".o")
                listing = pathlib.Path(folder, name + ".txt")
                source.write_text(code)
                subprocess.run(["c++", "-c", source, "-o", target], check=True)
                listing.write_text(f"{target}\n")
                self.assertEqual(len(list(check_objects(listing))), expected, name)


if __name__ == "__main__":
    unittest.main()
