#include <nlohmann/json.hpp>
#include <set>

#include "base/error.h"
#include "pipeline/verify/checks.h"

namespace bantam {
namespace {

// What the bytes of a file should be, by both lists where both could be read.
std::map<std::string, std::string> expected_digests(const BundleView& view) {
  std::map<std::string, std::string> expected = view.sums;
  if (view.manifest) {
    for (const Json& entry : view.manifest->at("files")) {
      expected.try_emplace(entry.at("name").get<std::string>(), entry.at("sha256").get<std::string>());
    }
  }
  return expected;
}

std::set<std::string> wrong_sizes(const BundleView& view) {
  std::set<std::string> names;
  if (!view.manifest) return names;
  for (const Json& entry : view.manifest->at("files")) {
    const std::string name = entry.at("name").get<std::string>();
    if (view.bytes(name) != entry.at("bytes").get<std::int64_t>()) names.insert(name);
  }
  return names;
}

}  // namespace

// Files of a wrong size have been named already and are not read.
void check_hashes(Verification& verification) {
  BundleView& view = verification.bundle;
  const std::map<std::string, std::string> expected = expected_digests(view);
  const std::set<std::string> skipped = wrong_sizes(view);
  std::vector<std::string> names;
  std::vector<std::filesystem::path> paths;
  std::int64_t bytes = 0;
  for (const auto& [name, digest] : expected) {
    if (!view.usable(name) || skipped.contains(name)) continue;
    names.push_back(name);
    paths.push_back(view.path(name));
    bytes += view.bytes(name);
  }
  if (names.empty()) return;
  verification.progress.begin("hash", bytes);
  const std::vector<FileDigests> digests =
      digest_files(paths, verification.options.threads, verification.progress);
  for (std::size_t i = 0; i < names.size(); ++i) {
    view.digests.emplace(names[i], digests[i]);
    const std::string& wanted = expected.at(names[i]);
    if (digests[i].sha256 != wanted) {
      verification.findings.error(names[i], "was changed: its SHA-256 is {}... where {}... was written",
                                  digests[i].sha256.substr(0, 12), wanted.substr(0, 12));
    }
  }
}

}  // namespace bantam
