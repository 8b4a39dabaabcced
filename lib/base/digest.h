#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

namespace bantam {

// Streaming digests by OpenSSL. hex() ends the stream; a digest is used once.
class Digest {
 public:
  static Digest sha256();
  static Digest md5();  // only because MLC's tensor-cache schema asks for it; protects nothing

  Digest(Digest&&) noexcept;
  Digest& operator=(Digest&&) noexcept;
  ~Digest();

  void update(std::span<const std::byte> bytes);
  std::string hex();

 private:
  struct State;
  explicit Digest(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

std::string sha256_hex(std::span<const std::byte> bytes);

}  // namespace bantam
