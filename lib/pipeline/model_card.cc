#include "pipeline/model_card.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <filesystem>

#include "base/error.h"
#include "base/file.h"
#include "base/table.h"
#include "base/units.h"
#include "pipeline/manifest.h"
#include "pipeline/report/report_rows.h"

namespace fs = std::filesystem;

namespace bantam {
namespace {

// The value of `key` in the YAML front matter of a model card, if it is a plain word or list of words.
std::string front_matter(const std::string& card, std::string_view key) {
  if (!card.starts_with("---\n")) return {};
  const std::size_t end = card.find("\n---", 3);
  std::size_t line = 4;
  while (line < std::min(end, card.size())) {
    const std::size_t stop = std::min(card.find('\n', line), card.size());
    const std::string_view text = std::string_view(card).substr(line, stop - line);
    if (text.starts_with(key) && text.substr(key.size()).starts_with(":")) {
      std::string_view value = text.substr(key.size() + 1);
      while (!value.empty() && value.front() == ' ') value.remove_prefix(1);
      while (!value.empty() && (value.back() == ' ' || value.back() == '\r')) value.remove_suffix(1);
      const bool plain = std::all_of(value.begin(), value.end(), [](unsigned char c) {
        return std::isalnum(c) != 0 ||
               std::string_view("-._ ").find(static_cast<char>(c)) != std::string_view::npos;
      });
      return plain && value.size() <= 64 ? std::string(value) : std::string();
    }
    line = stop + 1;
  }
  return {};
}

std::string licence_of(const fs::path& directory) {
  const fs::path card = directory / "README.md";
  std::error_code ignored;
  if (!fs::is_regular_file(card, ignored) || fs::file_size(card, ignored) > (4u << 20)) return {};
  return front_matter(read_text_file(card, 4 << 20), "license");
}

// Markdown that shows a name as it is.
std::string code(const std::string& text) {
  std::string safe = printable(text);
  std::replace(safe.begin(), safe.end(), '`', '\'');
  return "`" + safe + "`";
}

struct Share {
  std::string encoding;
  std::int64_t tensors = 0, bytes = 0;
};

std::vector<Share> shares(const PlannedVariant& variant) {
  std::vector<Share> result;
  for (std::size_t w = 0; w < variant.graph.weights.size(); ++w) {
    const Weight& weight = variant.graph.weights[w];
    const std::string key = encoding(weight);
    auto found =
        std::find_if(result.begin(), result.end(), [&](const Share& s) { return s.encoding == key; });
    if (found == result.end()) found = result.insert(result.end(), {key, 0, 0});
    ++found->tensors;
    for (const PartPlace& place : variant.layout.places[w]) found->bytes += place.bytes;
  }
  std::sort(result.begin(), result.end(), [](const Share& a, const Share& b) { return a.bytes > b.bytes; });
  return result;
}

// Nothing where there is no adapter.
std::string adapter_section(const Checkpoint& checkpoint) {
  if (!checkpoint.adapter) return {};
  const AdapterInfo& adapter = *checkpoint.adapter;
  const std::string licence = licence_of(adapter.directory);
  return fmt::format(
      "The LoRA adapter {} was merged into its weights before they were rounded ({} tensors changed, {} added). {}\n\n",
      code(public_name(adapter.source, adapter.directory)), adapter.changed, adapter.added,
      licence.empty()
          ? std::string("The adapter states no licence in a form that this tool reads: look that up too.")
          : fmt::format("Licence of the adapter: {}.", licence));
}

std::string variants_section(const Plan& plan) {
  std::string text = "| dtype | files | size | what is stored |\n|:--|:--|--:|:--|\n";
  for (const PlannedVariant& variant : plan.variants) {
    std::int64_t bytes = std::ssize(variant.onnx);
    for (const ShardFile& shard : variant.layout.shards) bytes += shard.bytes;
    std::string stored;
    for (const Share& share : shares(variant)) {
      if (!stored.empty()) stored += ", ";
      stored += fmt::format("{} {} as {}", share.tensors, share.tensors == 1 ? "tensor" : "tensors",
                            share.encoding);
    }
    text += fmt::format("| {} | `onnx/{}` and {} data {} | {} | {} |\n", name(variant.variant.dtype),
                        variant.layout.onnx_name, variant.layout.shards.size(),
                        variant.layout.shards.size() == 1 ? "file" : "files", format_bytes(bytes), stored);
  }
  return text;
}

std::string quality_section(const Report& report) {
  const std::vector<ReportColumn> columns = report_columns(report);
  std::string text =
      fmt::format("{}\n\nMeasured on {} samples of {}, on the files of this folder; reference: {}.\n\n",
                  report_summary(report), report.samples, code(report.data), report.reference);
  for (const ReportColumn& column : columns) text += "| " + column.title + " ";
  text += "|\n";
  for (const ReportColumn& column : columns) text += column.number ? "|--:" : "|:--";
  text += "|\n";
  for (std::size_t v = 0; v < report.variants.size(); ++v) {
    for (const ReportColumn& column : columns) text += "| " + column.cells[v] + " ";
    text += "|\n";
  }
  return text + "\n`report.html` has the plots, `report.json` the figures.\n";
}

}  // namespace

std::string model_card(const Plan& plan, const Report* report) {
  const Checkpoint& checkpoint = plan.checkpoint;
  const std::string title = public_name(checkpoint.source, checkpoint.directory);
  const std::string licence = licence_of(checkpoint.directory);
  std::string text = "---\nlibrary_name: transformers.js\n";
  text += fmt::format("pipeline_tag: {}\n", name(plan.model.task));
  if (!licence.empty()) text += fmt::format("license: {}\n", licence);
  text += fmt::format("---\n\n# {} for the browser\n\n", printable(title));
  text += fmt::format(
      "This folder is a compressed version of {} ({}, {}), converted to ONNX for transformers.js and onnxruntime-web by bantam {}. "
      "It is not the original model: weights were rounded as the table says.\n\n",
      code(title), plan.model.family, name(plan.model.task), tool_version());
  text +=
      licence.empty()
          ? "The source states no licence in a form that this tool reads: look it up before you publish this folder.\n\n"
          : fmt::format("Licence of the source: {}. It holds for this version too.\n\n", licence);
  text += adapter_section(checkpoint);
  text += "## Use\n\n```js\nimport { pipeline } from '@huggingface/transformers';\n";
  text += fmt::format(
      "const run = await pipeline('{}', 'PATH_OR_ID_OF_THIS_FOLDER');  // dtype: '{}' on wasm\n```\n\n",
      name(plan.model.task), name(plan.default_variant().variant.dtype));
  text += "## Files\n\n" + variants_section(plan);
  text +=
      "\n`bantam.json` lists every file and tensor, `SHA256SUMS` the checksums, `tensor-cache*.json` index the same data files for MLC-style loaders.\n";
  text += "\n## Quality\n\n";
  text += report == nullptr ? "Not measured. `bantam evaluate` measures these files against the checkpoint.\n"
                            : quality_section(*report);
  for (const std::string& note : plan.notes) text += "\n> " + printable(note) + "\n";
  return text;
}

}  // namespace bantam
