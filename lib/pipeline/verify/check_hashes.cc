#include <algorithm>
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

// Loaders check downloads by the digests of their parts (web/manifest.mjs), and refuse the bundle or the file
// where they are wrong.
void check_chunks(Verification& verification) {
  const BundleView& view = verification.bundle;
  const Json& manifest = *view.manifest;
  const std::int64_t size = manifest.value("chunk_bytes", kDigestChunk);
  for (const Json& entry : manifest.at("files")) {
    const std::string name = entry.at("name").get<std::string>();
    const auto digests = view.digests.find(name);
    if (!entry.contains("chunks") || digests == view.digests.end()) continue;
    if (size != kDigestChunk) {
      verification.findings.error("bantam.json", "chunk_bytes is {} where {} was expected", size,
                                  kDigestChunk);
      return;
    }
    const auto listed = entry.at("chunks").get<std::vector<std::string>>();
    const std::vector<std::string>& chunks = digests->second.chunks;
    const std::size_t known = chunks.empty() ? 1 : chunks.size();
    if (listed.size() != known) {
      verification.findings.error("bantam.json", "lists {} chunks of {} where it has {}", listed.size(),
                                  quote(name), known);
      continue;
    }
    const std::vector<std::string> whole{digests->second.sha256};
    const auto wrong = std::ranges::mismatch(listed, chunks.empty() ? whole : chunks).in1;
    if (wrong == listed.end()) continue;
    verification.findings.error("bantam.json", "chunk {} of {} has another SHA-256 than is listed",
                                wrong - listed.begin(), quote(name));
  }
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
  if (view.manifest) check_chunks(verification);
}

}  // namespace bantam
