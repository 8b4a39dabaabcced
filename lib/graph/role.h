#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace bantam {

// What a weight is for. Families give roles when they read tensor names; from then on roles decide, names do
// not.
enum class Role : std::uint8_t {
  kOther,
  kWordEmbedding,
  kPositionEmbedding,
  kTypeEmbedding,
  kRelativeBias,
  kEmbeddingProjection,
  kNormGain,
  kNormBias,
  kAttentionQ,
  kAttentionK,
  kAttentionV,
  kAttentionO,
  kMlpGate,
  kMlpUp,
  kMlpDown,
  kBottleneck,
  kPooler,
  kHeadTransform,
  kHead,
  kBias,
};

struct RoleInfo {
  Role role;
  std::string_view name;  // as in recipes, manifests and reports: "attention_q"
};

std::span<const RoleInfo> roles();
std::string_view name(Role role);

}  // namespace bantam
