#include "convert/lora/adapter_tensors.h"

#include <array>
#include <string_view>

#include "base/error.h"

namespace bantam {
namespace {

constexpr std::string_view kRoot = "base_model.model.";

struct Suffix {
  std::string_view text;
  TensorSourcePtr AdapterModule::*member;
};
constexpr std::array<Suffix, 9> kSuffixes = {{
    {".lora_A.weight", &AdapterModule::a},
    {".lora_B.weight", &AdapterModule::b},
    {".lora_B.bias", &AdapterModule::b_bias},
    {".lora_embedding_A", &AdapterModule::embedding_a},
    {".lora_embedding_B", &AdapterModule::embedding_b},
    {".lora_magnitude_vector", &AdapterModule::magnitude},
    {".lora_magnitude_vector.weight", &AdapterModule::magnitude},
    {".base_layer.weight", &AdapterModule::base},
    {".token_adapter.trainable_tokens_delta", &AdapterModule::tokens},
}};
// Between a module and its own tensors, where PEFT wraps the module.
constexpr std::array<std::string_view, 2> kWraps = {".base_layer.", ".modules_to_save."};
// With bias "all", PEFT stores biases of saved modules again: the base's own, which are not used any more,
// and the trained ones under the name of the adapter.
constexpr std::string_view kOriginal = ".original_module.";
constexpr std::string_view kSavedAgain = ".modules_to_save.default.";

void sort_one(const TensorSourcePtr& tensor, AdapterTensors& result, std::vector<std::string>& again) {
  std::string name = tensor->spec().name;
  if (!is_float(tensor->spec().dtype))
    fail("is of type {} where floats were expected", bantam::name(tensor->spec().dtype));
  if (!name.starts_with(kRoot)) fail("does not begin with \"{}\", as PEFT's names do", kRoot);
  name.erase(0, kRoot.size());
  for (const Suffix& suffix : kSuffixes) {
    if (!name.ends_with(suffix.text) || name.size() == suffix.text.size()) continue;
    TensorSourcePtr& place = result.modules[name.substr(0, name.size() - suffix.text.size())].*suffix.member;
    if (place != nullptr) fail("is there twice, as {} too", quote(place->spec().name));
    place = tensor;
    return;
  }
  if (name.find("lora_") != name.npos || name.find("token_adapter") != name.npos) {
    fail(
        "is no tensor of an adapter that is known: lora_A.weight, lora_B.weight, lora_embedding_A, lora_embedding_B, "
        "lora_magnitude_vector are");
  }
  if (name.find(kOriginal) != name.npos) return;
  if (const auto at = name.find(kSavedAgain); at != name.npos) {
    again.push_back(name.replace(at, kSavedAgain.size(), "."));
    return;
  }
  for (const std::string_view wrap : kWraps) {
    if (const auto at = name.find(wrap); at != name.npos) name.erase(at, wrap.size() - 1);
  }
  if (!result.whole.emplace(name, tensor).second) fail("is there twice, as {}", quote(name));
}

// A saved base of a module without an update is a tensor like others.
void sort_bases(AdapterTensors& result) {
  for (auto at = result.modules.begin(); at != result.modules.end();) {
    const AdapterModule& module = at->second;
    if (module.base == nullptr || module.a != nullptr || module.embedding_a != nullptr) {
      ++at;
      continue;
    }
    const std::string name = at->first + ".weight";
    if (!result.whole.emplace(name, module.base).second) fail("{}: is there twice", quote(name));
    AdapterModule rest = module;
    rest.base = nullptr;
    const bool alone = rest.b == nullptr && rest.b_bias == nullptr && rest.embedding_b == nullptr &&
                       rest.magnitude == nullptr && rest.tokens == nullptr;
    if (alone) {
      at = result.modules.erase(at);
    } else {
      (at++)->second = std::move(rest);
    }
  }
}

void check_halves(const std::string& name, const AdapterModule& module) {
  const auto both = [&](const TensorSourcePtr& a, const TensorSourcePtr& b, std::string_view which) {
    if ((a == nullptr) != (b == nullptr)) fail("{}: has only one of {}A and {}B", quote(name), which, which);
  };
  both(module.a, module.b, "lora_");
  both(module.embedding_a, module.embedding_b, "lora_embedding_");
  const bool updated = module.a != nullptr || module.embedding_a != nullptr;
  if (module.a != nullptr && module.embedding_a != nullptr)
    fail("{}: is a linear layer and an embedding", quote(name));
  if (updated && module.tokens != nullptr) fail("{}: has an update and trained tokens too", quote(name));
  if (!updated && (module.b_bias != nullptr || module.magnitude != nullptr)) {
    fail("{}: has a bias or a magnitude and no lora_A and lora_B", quote(name));
  }
}

}  // namespace

AdapterTensors sort_adapter_tensors(const std::vector<TensorSourcePtr>& tensors) {
  AdapterTensors result;
  std::vector<std::string> again;
  for (const TensorSourcePtr& tensor : tensors) {
    with_context(quote(tensor->spec().name), [&] { sort_one(tensor, result, again); });
  }
  sort_bases(result);
  for (const std::string& name : again) {
    if (!result.whole.contains(name)) fail("{}: is there under the adapter's name only", quote(name));
  }
  for (const auto& [name, module] : result.modules) check_halves(name, module);
  return result;
}

}  // namespace bantam
