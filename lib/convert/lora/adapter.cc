#include "convert/lora/adapter.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "base/error.h"
#include "base/json.h"
#include "convert/blocks/tied_source.h"
#include "convert/hub_cache.h"
#include "convert/lora/adapter_config.h"
#include "convert/lora/adapter_tensors.h"
#include "convert/lora/base_names.h"
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
      : checkpoint_(checkpoint),
        config_(std::move(config)),
        tensors_(std::move(tensors)),
        vocabulary_(find_vocabulary(checkpoint)) {}

  void run() {
    look_at_vocabulary();
    for (const auto& entry : tensors_.whole) {
      with_context(quote(entry.first), [&] { take_whole(entry.first, entry.second); });
    }
    for (const auto& entry : tensors_.modules) {
      with_context(quote(entry.first), [&] { merge_module(entry.first, entry.second); });
    }
    if (changed_.empty()) fail("holds no tensor that would change the model");
    take_labels();
    untie_new_heads();
    note();
  }

 private:
  std::optional<std::string> find(std::string_view name) const {
    const bool respelled = vocabulary_ && name == vocabulary_->spelling;
    return find_base_name(checkpoint_.tensors, respelled ? vocabulary_->head : name);
  }

  std::string find_or_fail(const std::string& name) const {
    if (const auto found = find(name)) return *found;
    fail(
        "the base holds no {}: the adapter was trained on another model, or on a head that the base ties to its "
        "embeddings",
        quote(name));
  }

  // Of a name that a file of PyTorch gives to the same bytes, too: tied weights change together. Not so the
  // vocabulary's, which PEFT may take apart.
  void put(const std::string& name, TensorSourcePtr source) {
    if (!changed_.insert(name).second) fail("{} is changed twice", quote(name));
    const FilePlace place = checkpoint_.tensors.at(name)->place();
    for (auto& [other, tensor] : checkpoint_.tensors) {
      if (is_vocabulary(name) && is_vocabulary(other)) continue;
      const FilePlace there = tensor->place();
      const bool same = place.file != nullptr && there.file == place.file && there.offset == place.offset;
      if (same && tensor->spec().shape == source->spec().shape) tensor = make_renamed_source(source, other);
    }
    checkpoint_.tensors.at(name) = std::move(source);
  }

  // `make` of the base's tensor; of a tied head's, too, where it is stored: equal tensors stay equal.
  template <typename Make>
  void change(const std::string& name, const Make& make) {
    put(name, make(checkpoint_.tensors.at(name)));
    if (!tied() || name != vocabulary_->embedding || !head_stored_) return;
    TensorSourcePtr& head = checkpoint_.tensors.at(vocabulary_->head);
    head = make(head);
  }

  // --- Embeddings and a head that are one weight of the base

  bool tied() const { return vocabulary_ && vocabulary_->tied; }
  bool is_head(std::string_view name) const { return vocabulary_ && name == vocabulary_->head; }
  bool is_vocabulary(std::string_view name) const {
    return is_head(name) || (vocabulary_ && name == vocabulary_->embedding);
  }

  void look_at_vocabulary() {
    if (!vocabulary_) return;
    TensorMap& base = checkpoint_.tensors;
    head_stored_ = base.contains(vocabulary_->head);
    if (tied() && !base.contains(vocabulary_->embedding)) {
      base[vocabulary_->embedding] = make_renamed_source(base.at(vocabulary_->head), vocabulary_->embedding);
    }
    const auto whole = std::ranges::count_if(
        tensors_.whole, [&](const auto& entry) { return is_vocabulary(name_of(entry.first)); });
    both_whole_ = whole == 2;
  }

  // From now on there are two weights, which begin as the one.
  void untie(const std::string& cause) {
    TensorMap& base = checkpoint_.tensors;
    const std::string &embedding = vocabulary_->embedding, &head = vocabulary_->head;
    if (head_stored_ && !changed_.contains(embedding)) {
      base[embedding] = make_tied_source(base.at(embedding), base.at(head));
    }
    if (!changed_.contains(head)) base[head] = make_renamed_source(base.at(embedding), head);
    vocabulary_->tied = false;
    set_config({{"tie_word_embeddings", false}});
    checkpoint_.notes.push_back(
        fmt::format("the adapter brings {}, which the base ties to {}: they are two weights from now on",
                    quote(cause), cause == head ? "its embeddings" : "its head"));
  }

  // PEFT's model adds an update to the head alone, merge_and_unload() adds it to both.
  [[noreturn]] void refuse_tied_head() const {
    fail(
        "changes {}, which config.json ties to {}{}: PEFT's model and what its merge_and_unload() leaves are not "
        "the same then; give the one that you mean, merged and saved, as the source",
        quote(vocabulary_->head), quote(vocabulary_->embedding),
        config_.ensure_weight_tying ? " (ensure_weight_tying)" : "");
  }

  // --- modules_to_save, biases, embeddings that were saved as they are

  bool is_saved_module(std::string_view tensor) const {
    return std::ranges::any_of(config_.modules_to_save, [&](const std::string& module) {
      const auto at = tensor.find(module + ".");
      return at != tensor.npos && (at == 0 || tensor[at - 1] == '.');
    });
  }

  // The base's name, or the one that a tensor gets which the base does not have.
  std::string name_of(const std::string& name) const {
    if (const auto found = find(name)) return *found;
    return vocabulary_ && name == vocabulary_->spelling ? vocabulary_->head : name;
  }

  void take_whole(const std::string& name, const TensorSourcePtr& tensor) {
    const std::string target = name_of(name);
    const bool saved = is_saved_module(name);
    const bool shared = tied() && is_vocabulary(target);
    if (!checkpoint_.tensors.contains(target) && !saved && !(shared && both_whole_)) find_or_fail(name);
    if (shared) {
      check_same_shape(*tensor, vocabulary_->embedding);
      if (config_.ensure_weight_tying && saved && !both_whole_) {
        fail("stands there alone, and ensure_weight_tying says that {} and {} were trained as one",
             quote(vocabulary_->embedding), quote(vocabulary_->head));
      }
      if (saved && !config_.ensure_weight_tying) {
        untie(target);
      } else if (!both_whole_) {
        // The base's table, which PEFT saved with the adapter, and loads into the one weight. Where both are
        // there, they are compared as every tied pair is.
        if (is_head(target)) refuse_tied_head();
        if (head_stored_)
          checkpoint_.tensors[vocabulary_->head] = make_renamed_source(tensor, vocabulary_->head);
      }
    }
    if (!checkpoint_.tensors.contains(target) || (is_head(target) && !head_stored_)) {
      if (!changed_.insert(target).second) fail("{} is changed twice", quote(target));
      checkpoint_.tensors[target] = make_renamed_source(tensor, target);
      added_.push_back(target);
      return;
    }
    check_same_shape(*tensor, target);
    put(target, make_renamed_source(tensor, target));
  }

  void check_same_shape(const TensorSource& tensor, const std::string& target) const {
    const TensorSpec& base = checkpoint_.tensors.at(target)->spec();
    if (base.shape == tensor.spec().shape) return;
    fail(
        "has shape {} where the base has {}: the adapter was trained on another model, or on one whose "
        "vocabulary was resized",
        to_string(tensor.spec().shape), to_string(base.shape));
  }

  // --- Updates

  void merge_module(const std::string& name, const AdapterModule& module) {
    if (module.tokens != nullptr) return replace_tokens(name, module);
    const bool embedding = module.embedding_a != nullptr;
    LoraUpdate update{LoraLayout::kLinear, embedding ? module.embedding_a : module.a,
                      embedding ? module.embedding_b : module.b, module.magnitude, config_.scaling_of(name)};
    const std::string target = weight_of(name);
    if (module.base != nullptr) replace_base(target, module.base);
    if (embedding || is_conv1d(name)) update.layout = LoraLayout::kTransposed;
    check_update(update, config_.rank_of(name), checkpoint_.tensors.at(target)->spec());
    if ((module.magnitude != nullptr) != config_.dora) {
      fail("{} lora_magnitude_vector, and use_dora is {} in adapter_config.json",
           config_.dora ? "has no" : "has a", config_.dora);
    }
    change(target, [&](TensorSourcePtr base) { return make_merged_source(std::move(base), update, cache_); });
    if (tied() && target == vocabulary_->embedding) {
      checkpoint_.notes.push_back(fmt::format(
          "the adapter updates {}, and the head that config.json ties to it changes too, as merge_and_unload() "
          "leaves it; PEFT's model before that keeps the head",
          quote(target)));
    }
    if (module.b_bias != nullptr) add_bias(name, module);
  }

  std::string weight_of(const std::string& module) const {
    const std::string name = module + ".weight";
    if (tied() && is_head(name_of(name))) refuse_tied_head();
    return find_or_fail(name);
  }

  // What PEFT saved with an update of an embedding or a head (save_embedding_layers) takes the base's place
  // when PEFT loads it.
  void replace_base(const std::string& target, const TensorSourcePtr& tensor) {
    check_same_shape(*tensor, target);
    checkpoint_.tensors.at(target) = make_renamed_source(tensor, target);
    if (tied() && target == vocabulary_->embedding && head_stored_) {
      checkpoint_.tensors.at(vocabulary_->head) = make_renamed_source(tensor, vocabulary_->head);
    }
  }

  bool is_conv1d(std::string_view module) const {
    return is_one_of(kConv1dModels, checkpoint_.config.string_or("model_type", "")) &&
           is_one_of(kConv1dLayers, leaf(module));
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

  void replace_tokens(const std::string& name, const AdapterModule& module) {
    const std::vector<std::int64_t>& tokens = config_.tokens_of(name);
    const std::string target = weight_of(name);
    const TensorSpec spec = checkpoint_.tensors.at(target)->spec();
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
    change(target,
           [&](TensorSourcePtr base) { return make_replaced_rows(std::move(base), tokens, module.tokens); });
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
  void untie_new_heads() {
    const std::int64_t vocabulary = checkpoint_.config.integer_or("vocab_size", 0);
    for (const std::string& name : added_) {
      if (tied() && is_head(name)) continue;  // ensure_weight_tying
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
  std::optional<Vocabulary> vocabulary_;
  bool head_stored_ = false;  // by the base, under a name of its own
  bool both_whole_ = false;   // the adapter brings embeddings and head
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
