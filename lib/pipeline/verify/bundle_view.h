#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "graph/graph.h"
#include "graph/onnx_external.h"
#include "pipeline/digest_files.h"

namespace bantam {

// What a file turned out to be when it was looked at from outside.
enum class FileNature : std::uint8_t {
  kPlausible,
  kEmpty,
  kLfsPointer,  // a Git-LFS pointer in place of the file
  kHtml,        // a web page: an error page that was saved under the file's name
  kNotAFile,    // a folder, FIFO, device, dangling link
  kOutside,     // a link that leads out of the bundle
  kUnreadable,
};

struct BundleFile {
  std::int64_t bytes = 0;
  FileNature nature = FileNature::kPlausible;
};

// One .onnx file that transformers.js may load.
struct SessionGraph {
  std::string session;                      // "model", "decoder_model_merged"
  std::string dtype;                        // by transformers.js' name
  std::string file;                         // "onnx/model_q4.onnx"
  std::optional<ExternalTensors> external;  // nothing: unreadable
  std::shared_ptr<const Graph> graph;       // null: does not import

  std::string base_name() const { return file.substr(file.rfind('/') + 1); }
};

// A folder as consumers see it, opened as far as it can be. The checks fill it from top to bottom, in the
// order of their list; what could not be read stays empty.
struct BundleView {
  std::filesystem::path root;
  std::map<std::string, BundleFile> files;     // everything in the folder, names with '/'
  std::shared_ptr<const Json> manifest;        // bantam.json, valid by its schema
  std::map<std::string, std::string> sums;     // SHA256SUMS: name -> digest
  std::map<std::string, FileDigests> digests;  // of the files whose sizes are right
  std::shared_ptr<const Json> config;          // config.json, an object
  std::vector<std::string> sessions;           // names that this model's class loads
  std::vector<SessionGraph> graphs;

  bool exists(std::string_view file) const { return files.contains(std::string(file)); }
  // Whether its content is worth looking at.
  bool usable(std::string_view file) const;
  std::int64_t bytes(std::string_view file) const;
  std::filesystem::path path(std::string_view file) const { return root / file; }

  // Of bantam.json or of the class that config.json names; empty where neither says.
  std::string task() const;
  std::string model_type() const;
  // config.json's transformers.js_config, or an empty object.
  const Json& browser_config() const;
  std::vector<std::string> dtypes() const;  // of the graphs, in transformers.js' order, each once
};

}  // namespace bantam
