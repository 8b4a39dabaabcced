#include "base/digest.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <array>

#include "base/error.h"

namespace bantam {

struct Digest::State {
  State() : context(EVP_MD_CTX_new()) {}
  ~State() { EVP_MD_CTX_free(context); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  EVP_MD_CTX* context;
};

Digest::Digest(std::unique_ptr<State> state) : state_(std::move(state)) {}
Digest::Digest(Digest&&) noexcept = default;
Digest& Digest::operator=(Digest&&) noexcept = default;
Digest::~Digest() = default;

Digest Digest::sha256() {
  auto state = std::make_unique<State>();
  BANTAM_ASSERT(EVP_DigestInit_ex(state->context, EVP_sha256(), nullptr) == 1);
  return Digest(std::move(state));
}

Digest Digest::md5() {
  auto state = std::make_unique<State>();
  BANTAM_ASSERT(EVP_DigestInit_ex(state->context, EVP_md5(), nullptr) == 1);
  return Digest(std::move(state));
}

void Digest::update(std::span<const std::byte> bytes) {
  BANTAM_ASSERT(EVP_DigestUpdate(state_->context, bytes.data(), bytes.size()) == 1);
}

std::string Digest::hex() {
  std::array<unsigned char, EVP_MAX_MD_SIZE> value{};
  unsigned int length = 0;
  BANTAM_ASSERT(EVP_DigestFinal_ex(state_->context, value.data(), &length) == 1);
  std::string text;
  for (unsigned int i = 0; i < length; ++i) text += fmt::format("{:02x}", value[i]);
  return text;
}

std::string sha256_hex(std::span<const std::byte> bytes) {
  Digest digest = Digest::sha256();
  digest.update(bytes);
  return digest.hex();
}

}  // namespace bantam
