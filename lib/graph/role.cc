#include "graph/role.h"

#include <array>

#include "base/error.h"

namespace bantam {
namespace {

constexpr std::array<RoleInfo, 20> kTable = {{
    {Role::kOther, "other"},
    {Role::kWordEmbedding, "word_embedding"},
    {Role::kPositionEmbedding, "position_embedding"},
    {Role::kTypeEmbedding, "type_embedding"},
    {Role::kRelativeBias, "relative_bias"},
    {Role::kEmbeddingProjection, "embedding_projection"},
    {Role::kNormGain, "norm_gain"},
    {Role::kNormBias, "norm_bias"},
    {Role::kAttentionQ, "attention_q"},
    {Role::kAttentionK, "attention_k"},
    {Role::kAttentionV, "attention_v"},
    {Role::kAttentionO, "attention_o"},
    {Role::kMlpGate, "mlp_gate"},
    {Role::kMlpUp, "mlp_up"},
    {Role::kMlpDown, "mlp_down"},
    {Role::kBottleneck, "bottleneck"},
    {Role::kPooler, "pooler"},
    {Role::kHeadTransform, "head_transform"},
    {Role::kHead, "head"},
    {Role::kBias, "bias"},
}};

}  // namespace

std::span<const RoleInfo> roles() {
  return kTable;
}

std::string_view name(Role role) {
  const auto& entry = kTable.at(static_cast<std::size_t>(role));
  BANTAM_ASSERT(entry.role == role);
  return entry.name;
}

}  // namespace bantam
