#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "base/error.h"
#include "base/file.h"
#include "pipeline/schemas.h"
#include "pipeline/verify/checks.h"

namespace bantam {
namespace {

constexpr std::string_view kManifest = "bantam.json";
constexpr std::string_view kSums = "SHA256SUMS";

bool plain_inside(const std::string& name) {
  const std::filesystem::path path(name);
  return !name.empty() && path.is_relative() && path == path.lexically_normal() && *path.begin() != ".." &&
         name.find('\\') == name.npos;
}

void read_manifest(Verification& verification) {
  BundleView& view = verification.bundle;
  if (!view.exists(kManifest)) {
    verification.findings.error(kManifest, "is missing: what the files should be is not known");
    return;
  }
  if (!view.usable(kManifest)) return;
  try {
    Json manifest = read_json_file(view.path(kManifest));
    check_schema("manifest.schema.json", manifest);
    view.manifest = std::make_shared<const Json>(std::move(manifest));
  } catch (const Error& error) {
    verification.findings.error(kManifest, "{}", error.message());
  }
}

// As `sha256sum -c` reads it, and in exactly the form that bantam writes, so that no changed byte goes
// unseen.
void read_sums(Verification& verification) {
  BundleView& view = verification.bundle;
  if (!view.exists(kSums)) {
    verification.findings.error(kSums, "is missing: changed bytes of bantam.json cannot be found");
    return;
  }
  if (!view.usable(kSums)) return;
  const std::string text = read_text_file(view.path(kSums), 64 << 20);
  std::string_view rest = text;
  for (std::int64_t line = 1; !rest.empty(); ++line) {
    const std::size_t end = rest.find('\n');
    const std::string_view entry = rest.substr(0, end);
    const bool sound = end != rest.npos && entry.size() > 66 && entry.substr(64, 2) == "  " &&
                       entry.substr(0, 64).find_first_not_of("0123456789abcdef") == entry.npos &&
                       plain_inside(std::string(entry.substr(66)));
    if (!sound || !view.sums.emplace(entry.substr(66), entry.substr(0, 64)).second) {
      verification.findings.error(kSums, "line {} is not a digest, two spaces and a name of the bundle",
                                  line);
      return;
    }
    rest.remove_prefix(end + 1);
  }
  if (view.exists(kManifest) && !view.sums.contains(std::string(kManifest)))
    verification.findings.error(kSums, "does not list bantam.json: changed bytes of it cannot be found");
}

// The files that bantam.json lists, each found in its size.
void compare_sizes(Verification& verification) {
  BundleView& view = verification.bundle;
  Findings& findings = verification.findings;
  std::set<std::string> seen;
  for (const Json& entry : view.manifest->at("files")) {
    const std::string name = entry.at("name").get<std::string>();
    if (!plain_inside(name)) {
      findings.error(kManifest, "lists {}, which leaves the bundle", quote(name));
      continue;
    }
    if (!seen.insert(name).second) findings.error(kManifest, "lists {} twice", quote(name));
    if (!view.exists(name)) {
      findings.error(name, "is missing");
      continue;
    }
    const auto listed = entry.at("bytes").get<std::int64_t>();
    const bool whole = view.usable(name) || view.files.at(name).nature == FileNature::kEmpty;
    if (whole && view.bytes(name) != listed) {
      findings.error(name, "has {} bytes where bantam.json lists {}: {}", view.bytes(name), listed,
                     view.bytes(name) < listed ? "it is truncated" : "it was changed");
    }
    const auto sum = view.sums.find(name);
    if (sum == view.sums.end()) {
      if (!view.sums.empty()) findings.error(kSums, "does not list {}, as bantam.json does", quote(name));
    } else if (sum->second != entry.at("sha256").get<std::string>()) {
      findings.error(kSums, "has another digest for {} than bantam.json", quote(name));
    }
  }
  for (const auto& [name, digest] : view.sums) {
    if (name != kManifest && !seen.contains(name)) {
      findings.error(kManifest, "does not list {}, as SHA256SUMS does", quote(name));
    }
  }
}

void find_extra_files(Verification& verification) {
  const BundleView& view = verification.bundle;
  std::set<std::string> known{std::string(kManifest), std::string(kSums)};
  for (const auto& [name, digest] : view.sums) known.insert(name);
  if (view.manifest) {
    for (const Json& entry : view.manifest->at("files")) known.insert(entry.at("name").get<std::string>());
  }
  if (known.size() == 2) return;  // no list was read
  for (const auto& [name, file] : view.files) {
    if (!known.contains(name))
      verification.findings.warning(name, "is not part of the bundle (no list has it)");
  }
}

}  // namespace

void check_manifest(Verification& verification) {
  read_manifest(verification);
  read_sums(verification);
  if (verification.bundle.manifest) {
    compare_sizes(verification);
  } else {
    for (const auto& [name, digest] : verification.bundle.sums) {
      if (!verification.bundle.exists(name) && name != kManifest)
        verification.findings.error(name, "is missing");
    }
  }
  find_extra_files(verification);
}

}  // namespace bantam
