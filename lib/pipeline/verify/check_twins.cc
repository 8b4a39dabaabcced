#include "base/digest.h"
#include "base/error.h"
#include "pipeline/verify/checks.h"
#include "shard/compress.h"

namespace bantam {

// A server sends the twin where a browser accepts it, so what it decodes to is what the browser gets.
void check_twins(Verification& verification) {
  const BundleView& view = verification.bundle;
  for (const Compression& compression : compressions()) {
    for (const auto& [name, file] : view.files) {
      if (!name.ends_with(compression.extension) || !view.usable(name)) continue;
      const std::string original = name.substr(0, name.size() - compression.extension.size());
      if (!view.exists(original)) {
        verification.findings.error(name, "stands for {}, which is not there", quote(original));
        continue;
      }
      const auto digest = view.digests.find(original);
      if (digest == view.digests.end()) continue;  // nobody knows what it should be
      try {
        Digest decoded = Digest::sha256();
        compression.decompress(view.path(name), view.bytes(original),
                               [&](std::span<const std::byte> bytes) { decoded.update(bytes); });
        if (decoded.hex() != digest->second.sha256) {
          verification.findings.error(name, "decodes to other bytes than {}", quote(original));
        }
      } catch (const Error& error) {
        if (error.code() == ErrorCode::kCancelled) throw;
        verification.findings.error(name, "{}", error.message().substr(error.message().find(": ") + 2));
      }
    }
  }
}

}  // namespace bantam
