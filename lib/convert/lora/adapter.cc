#include "convert/lora/adapter.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "base/error.h"
#include "base/json.h"
#include "convert/hub_cache.h"
#include "convert/lora/adapter_config.h"
#include "convert/lora/adapter_tensors.h"
#include "convert/lora/merged_source.h"
#include "convert/safetensors.h"
#include "convert/torch_file.h"

namespace fs = std::filesystem;

namespace bantam {
namespace {

constexpr std::string_view kConfigName = "adapter_config.json";
// Models whose linear layers are transformers' Conv1D, which stores [in, out], and the names of these layers.
constexpr std::array<std::string_view, 2> kConv1dModels = {"gpt2", "openai-gpt"};
constexpr std::array<std::string_view, 4> kConv1dLayers = {"c_attn", "c_proj", "c_fc", "q_attn"};
// The output layer of a classifier, by the names that transformers' classes give it.
constexpr std::array<std::string_view, 3> kClassifiers = {"classifier.out_proj.weight", "classifier.weight",
                                                          "score.weight"};

template <typename List>
bool is_one_of(const List& list, std::string_view name) {
  return std::ranges::find(list, name) != list.end();
}

// The last part of a module's name.
std::string_view leaf(std::string_view module) {
  return module.substr(module.rfind('.') + 1);
}

class Merger {
 public:
  Merger(Checkpoint& checkpoint, AdapterConfig config, AdapterTensors tensors)
      : checkpoint_(checkpoint), config_(std::move(config)), tensors_(std::move(tensors)) {}

  void run() {
    for (const auto& entry : tensors_.whole) {
      with_context(quote(entry.first), [&] { take_whole(entry.first, entry.second); });
    }
    for (const auto& entry : tensors_.modules) {
      with_context(quote(entry.first), [&] { merge_module(entry.first, entry.second); });
    }
    if (changed_.empty()) fail("holds no tensor that would change the model");
    take_labels();
    untie();
    note();
  }

 private:
  // The base's name of a tensor: the same, or with one part more or less before it, where class and
  // checkpoint differ in the base model's prefix ("bert.").
  std::optional<std::string> find(std::string_view name) const {
    const TensorMap& base = checkpoint_.tensors;
    if (base.contains(name)) return std::string(name);
    const auto dot = name.find('.');
    if (dot != name.npos && base.contains(name.substr(dot + 1)) &&
        name.substr(dot + 1).find('.') != name.npos) {
      return std::string(name.substr(dot + 1));
    }
    std::optional<std::string> found;
    for (const auto& [candidate, source] : base) {
      const std::string_view text = candidate;
      if (text.size() <= name.size() || !text.ends_with(name) || text[text.size() - name.size() - 1] != '.')
        continue;
      if (text.find('.') != text.size() - name.size() - 1) continue;
      if (found) fail("could be {} or {} of the base", quote(*found), quote(candidate));
      found = candidate;
    }
    return found;
  }

  std::string find_or_fail(const std::string& name) const {
    if (const auto found = find(name)) return *found;
    fail(
        "the base holds no {}: the adapter was trained on another model, or on a head that the base ties to its "
        "embeddings",
        quote(name));
  }

  // Of a name that a file of PyTorch gives to the same bytes, too: tied weights change together.
  void put(const std::string& name, TensorSourcePtr source) {
    if (!changed_.insert(name).second) fail("{} is changed twice", quote(name));
    const FilePlace place = checkpoint_.tensors.at(name)->place();
    for (auto& [other, tensor] : checkpoint_.tensors) {
      const FilePlace there = tensor->place();
      const bool same = place.file != nullptr && there.file == place.file && there.offset == place.offset;
      if (same && tensor->spec().shape == source->spec().shape) tensor = make_renamed_source(source, other);
    }
    checkpoint_.tensors.at(name) = std::move(source);
  }

  // --- modules_to_save, biases, embeddings that were saved as they are

  bool is_saved_module(std::string_view tensor) const {
    return std::ranges::any_of(config_.modules_to_save, [&](const std::string& module) {
      const auto at = tensor.find(module + ".");
      return at != tensor.npos && (at == 0 || tensor[at - 1] == '.');
    });
  }

  void take_whole(const std::string& name, const TensorSourcePtr& tensor) {
    const auto target = find(name);
    if (!target) {
      if (!is_saved_module(name)) find_or_fail(name);
      checkpoint_.tensors[name] = make_renamed_source(tensor, name);
      changed_.insert(name);
      added_.push_back(name);
      return;
    }
    const TensorSpec& base = checkpoint_.tensors.at(*target)->spec();
    if (base.shape != tensor->spec().shape) {
      fail(
          "has shape {} where the base has {}: the adapter was trained on another model, or on one whose "
          "vocabulary was resized",
          to_string(tensor->spec().shape), to_string(base.shape));
    }
    put(*target, make_renamed_source(tensor, *target));
  }

  // --- Updates

  void merge_module(const std::string& name, const AdapterModule& module) {
    if (module.tokens != nullptr) return replace_tokens(name, module);
    const bool embedding = module.embedding_a != nullptr;
    LoraUpdate update{LoraLayout::kLinear, embedding ? module.embedding_a : module.a,
                      embedding ? module.embedding_b : module.b, module.magnitude, config_.scaling_of(name)};
    check_rank(name, update);
    const std::string target = find_or_fail(name + ".weight");
    TensorSourcePtr base = checkpoint_.tensors.at(target);
    if (embedding || is_conv1d(name)) update.layout = LoraLayout::kTransposed;
    check_shape(update, base->spec());
    if ((module.magnitude != nullptr) != config_.dora) {
      fail("{} lora_magnitude_vector, and use_dora is {} in adapter_config.json",
           config_.dora ? "has no" : "has a", config_.dora);
    }
    put(target, make_merged_source(std::move(base), std::move(update), cache_));
    if (module.b_bias != nullptr) add_bias(name, module);
  }

  bool is_conv1d(std::string_view module) const {
    return is_one_of(kConv1dModels, checkpoint_.config.string_or("model_type", "")) &&
           is_one_of(kConv1dLayers, leaf(module));
  }

  void check_rank(const std::string& name, const LoraUpdate& update) const {
    const Shape &a = update.a->spec().shape, &b = update.b->spec().shape;
    if (a.size() != 2 || b.size() != 2) {
      fail("lora_A {} and lora_B {} where matrices were expected; convolutions are not supported",
           to_string(a), to_string(b));
    }
    const std::int64_t rank = config_.rank_of(name);
    if (a[0] != rank || b[1] != rank) {
      fail("lora_A {} and lora_B {} are not of the rank {} that adapter_config.json states", to_string(a),
           to_string(b), rank);
    }
  }

  void check_shape(const LoraUpdate& update, const TensorSpec& base) const {
    const std::int64_t out = update.b->spec().shape[0], in = update.a->spec().shape[1];
    const Shape expected = update.layout == LoraLayout::kLinear ? Shape{out, in} : Shape{in, out};
    if (base.shape != expected || !is_float(base.dtype)) {
      fail(
          "updates a weight of shape {} where the base has {} of {}: the adapter was trained on another model",
          to_string(expected), to_string(base.shape), name(base.dtype));
    }
    if (update.magnitude != nullptr && update.magnitude->spec().shape != Shape{out}) {
      fail("lora_magnitude_vector {} where {} was expected", to_string(update.magnitude->spec().shape),
           to_string(Shape{out}));
    }
  }

  void add_bias(const std::string& name, const AdapterModule& module) {
    if (!config_.lora_bias || config_.dora)
      fail("lora_B has a bias, which adapter_config.json does not allow for");
    const std::string target = find_or_fail(name + ".bias");
    TensorSourcePtr base = checkpoint_.tensors.at(target);
    if (base->spec().shape != module.b_bias->spec().shape || base->spec().shape.size() != 1) {
      fail("lora_B has a bias {} where the base has {}", to_string(module.b_bias->spec().shape),
           to_string(base->spec().shape));
    }
    // A trained bias may have taken the base's place already.
    changed_.erase(target);
    put(target, make_sum_source(std::move(base), module.b_bias, config_.scaling_of(name)));
  }

  // --- Trained tokens: whole rows of an embedding

  const std::vector<std::int64_t>& tokens_of(std::string_view module) const {
    const std::vector<std::int64_t>* found = nullptr;
    for (const auto& [pattern, tokens] : config_.trainable_tokens) {
      const bool matches = pattern.empty() || module == pattern || module.ends_with("." + pattern);
      if (matches && found != nullptr) fail("trainable_token_indices names it twice");
      if (matches) found = &tokens;
    }
    if (found == nullptr) fail("has trained tokens, and trainable_token_indices does not name them");
    return *found;
  }

  void replace_tokens(const std::string& name, const AdapterModule& module) {
    const std::vector<std::int64_t>& tokens = tokens_of(name);
    const std::string target = find_or_fail(name + ".weight");
    TensorSourcePtr base = checkpoint_.tensors.at(target);
    const TensorSpec& spec = base->spec();
    if (spec.shape.size() != 2 || !is_float(spec.dtype) ||
        module.tokens->spec().shape != Shape{std::ssize(tokens), spec.shape[1]}) {
      fail("has trained tokens {} for {} ids where the base has {}", to_string(module.tokens->spec().shape),
           tokens.size(), to_string(spec.shape));
    }
    std::set<std::int64_t> seen;
    for (const std::int64_t token : tokens) {
      if (token >= spec.shape[0]) fail("token {} is beyond the base's {}", token, spec.shape[0]);
      if (!seen.insert(token).second) fail("token {} is trained twice", token);
    }
    put(target, make_replaced_rows(std::move(base), tokens, module.tokens));
  }

  // --- What else the merged model is

  void set_config(const Json& changes) {
    Json json = checkpoint_.config.json();
    json.update(changes);
    checkpoint_.config = Config(checkpoint_.config.path(), std::move(json));
  }

  // The class that PEFT was given counted the labels; the base's config.json may know nothing of them.
  void take_labels() {
    const Config& config = checkpoint_.config;
    if (config.has("id2label") || config.has("num_labels")) return;
    for (const std::string_view classifier : kClassifiers) {
      if (!is_one_of(added_, classifier)) continue;
      const Shape& shape = checkpoint_.tensors.at(std::string(classifier))->spec().shape;
      constexpr std::int64_t kMaxLabels = 1 << 16;
      if (shape.size() != 2 || shape[0] < 1 || shape[0] > kMaxLabels)
        fail("{} has shape {}", classifier, to_string(shape));
      Json names = Json::object(), ids = Json::object();
      for (std::int64_t i = 0; i < shape[0]; ++i) {
        names[fmt::format("{}", i)] = fmt::format("LABEL_{}", i);
        ids[fmt::format("LABEL_{}", i)] = i;
      }
      set_config({{"id2label", std::move(names)}, {"label2id", std::move(ids)}});
      checkpoint_.notes.push_back(fmt::format(
          "the adapter brings a head of {} labels, whose names nobody states: LABEL_0, ...", shape[0]));
      return;
    }
  }

  // A head over the vocabulary that the base does not have is no longer tied to its embeddings.
  void untie() {
    const std::int64_t vocabulary = checkpoint_.config.integer_or("vocab_size", 0);
    for (const std::string& name : added_) {
      const Shape& shape = checkpoint_.tensors.at(name)->spec().shape;
      if (shape.size() != 2 || shape[0] != vocabulary || is_one_of(kClassifiers, name)) continue;
      if (!checkpoint_.config.boolean_or("tie_word_embeddings", true)) continue;
      set_config({{"tie_word_embeddings", false}});
      checkpoint_.notes.push_back(
          fmt::format("the adapter brings {}, which the base ties to its embeddings: they are "
                      "two weights from now on",
                      quote(name)));
    }
  }

  void note() {
    AdapterInfo& info = *checkpoint_.adapter;
    info.task_type = config_.task_type;
    info.base_model = config_.base_model;
    info.changed = std::ssize(changed_) - std::ssize(added_);
    info.added = std::ssize(added_);
  }

  Checkpoint& checkpoint_;
  AdapterConfig config_;
  AdapterTensors tensors_;
  std::shared_ptr<LoraFactorCache> cache_ = std::make_shared<LoraFactorCache>();
  std::set<std::string, std::less<>> changed_;  // by the base's names
  std::vector<std::string> added_;
};

// The adapter's weights; records the files.
WeightFile open_weights(AdapterInfo& info) {
  constexpr std::array<std::string_view, 2> kNames = {"adapter_model.safetensors", "adapter_model.bin"};
  for (const std::string_view name : kNames) {
    const fs::path path = info.directory / name;
    std::error_code error;
    if (!fs::exists(path, error)) continue;
    WeightFile file = name.ends_with(".bin") ? open_torch_file(path) : open_safetensors(path);
    info.files.push_back({std::string(name), file.bytes, hub_cache_sha256(path)});
    return file;
  }
  fail("{}: holds no adapter_model.safetensors; save the adapter with PEFT's save_pretrained",
       info.directory.string());
}

}  // namespace

void merge_adapter(Checkpoint& checkpoint, std::string_view source) {
  AdapterInfo& info = checkpoint.adapter.emplace();
  info.source = source;
  info.directory = resolve_source(source);
  const fs::path path = info.directory / kConfigName;
  std::error_code error;
  if (!fs::exists(path, error)) {
    fail("{}: has no {}; give the folder of a LoRA adapter, as PEFT's save_pretrained writes it",
         info.directory.string(), kConfigName);
  }
  AdapterConfig config = read_adapter_config(path);
  info.files.push_back(
      {std::string(kConfigName), static_cast<std::int64_t>(fs::file_size(path)), hub_cache_sha256(path)});
  WeightFile file = open_weights(info);
  with_context((info.directory / info.files.back().name).string(),
               [&] { Merger(checkpoint, std::move(config), sort_adapter_tensors(file.tensors)).run(); });
}

}  // namespace bantam
