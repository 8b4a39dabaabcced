#include "base/digest.h"

// The functions of one algorithm each, not EVP: EVP reaches every algorithm of libcrypto, and a static binary
// would carry all of them (two megabytes).
#define OPENSSL_API_COMPAT 0x10100000L
#define OPENSSL_SUPPRESS_DEPRECATED
#include <fmt/format.h>
#include <openssl/md5.h>
#include <openssl/sha.h>

#include <array>
#include <variant>

#include "base/error.h"

namespace bantam {

struct Digest::State {
  std::variant<SHA256_CTX, MD5_CTX> context;
};

namespace {

int update_context(SHA256_CTX& context, std::span<const std::byte> bytes) {
  return SHA256_Update(&context, bytes.data(), bytes.size());
}
int update_context(MD5_CTX& context, std::span<const std::byte> bytes) {
  return MD5_Update(&context, bytes.data(), bytes.size());
}
std::size_t finish(SHA256_CTX& context, unsigned char* value) {
  BANTAM_ASSERT(SHA256_Final(value, &context) == 1);
  return SHA256_DIGEST_LENGTH;
}
std::size_t finish(MD5_CTX& context, unsigned char* value) {
  BANTAM_ASSERT(MD5_Final(value, &context) == 1);
  return MD5_DIGEST_LENGTH;
}

}  // namespace

Digest::Digest(std::unique_ptr<State> state) : state_(std::move(state)) {}
Digest::Digest(Digest&&) noexcept = default;
Digest& Digest::operator=(Digest&&) noexcept = default;
Digest::~Digest() = default;

Digest Digest::sha256() {
  auto state = std::make_unique<State>();
  BANTAM_ASSERT(SHA256_Init(&state->context.emplace<SHA256_CTX>()) == 1);
  return Digest(std::move(state));
}

Digest Digest::md5() {
  auto state = std::make_unique<State>();
  BANTAM_ASSERT(MD5_Init(&state->context.emplace<MD5_CTX>()) == 1);
  return Digest(std::move(state));
}

void Digest::update(std::span<const std::byte> bytes) {
  BANTAM_ASSERT(std::visit([&](auto& context) { return update_context(context, bytes); }, state_->context) ==
                1);
}

std::string Digest::hex() {
  std::array<unsigned char, SHA256_DIGEST_LENGTH> value{};
  const std::size_t length =
      std::visit([&](auto& context) { return finish(context, value.data()); }, state_->context);
  std::string text;
  for (std::size_t i = 0; i < length; ++i) text += fmt::format("{:02x}", value[i]);
  return text;
}

std::string sha256_hex(std::span<const std::byte> bytes) {
  Digest digest = Digest::sha256();
  digest.update(bytes);
  return digest.hex();
}

}  // namespace bantam
