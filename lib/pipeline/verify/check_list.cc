#include <array>

#include "pipeline/verify/checks.h"

namespace bantam {

// Each in the file of its name: check_<name>.cc.
void check_files(Verification& verification);
void check_manifest(Verification& verification);
void check_hashes(Verification& verification);
void check_twins(Verification& verification);
void check_config(Verification& verification);
void check_sessions(Verification& verification);
void check_shards(Verification& verification);
void check_contents(Verification& verification);
void check_index(Verification& verification);
void check_graphs(Verification& verification);
void check_types(Verification& verification);
void check_operators(Verification& verification);
void check_inputs(Verification& verification);
void check_caches(Verification& verification);
void check_tokenizer(Verification& verification);
void check_generation(Verification& verification);

std::span<const Check> checks() {
  static constexpr std::array kChecks{
      Check{
          "files",
          "every file is what its name says: no web page, Git-LFS pointer, empty file or link that leads out",
          check_files},
      Check{"manifest", "bantam.json, SHA256SUMS and the folder hold the same files in the same sizes",
            check_manifest},
      Check{"hashes", "every byte is the one that was written (SHA-256)", check_hashes},
      Check{"twins", "compressed twins decode to the files that they stand for", check_twins},
      Check{"config", "config.json can be read, and transformers.js_config says nothing that makes no sense",
            check_config},
      Check{"sessions", "what a page asks for with every dtype, or with none, on every device is there",
            check_sessions},
      Check{"shards",
            "external data is where the graphs and config.json say, inside its files, in at most 100 of them",
            check_shards},
      Check{"contents", "bantam.json describes the tensors that the graphs hold", check_contents},
      Check{"index", "tensor-cache.json describes the same bytes, inside the bundle", check_index},
      Check{"graphs", "every graph is sound and loads in the native runtime", check_graphs},
      Check{"types", "operators get the element types that onnxruntime lets them have", check_types},
      Check{"operators", "what a page gets without asking has kernels where it runs", check_operators},
      Check{"inputs", "graphs ask for what JavaScript feeds and give what the task's pipeline reads",
            check_inputs},
      Check{"caches",
            "caches of keys and values have the names and dimensions that transformers.js makes them with",
            check_caches},
      Check{"tokenizer", "tokenizer.json, tokenizer_config.json and the chat template are there and agree",
            check_tokenizer},
      Check{"generation", "generation_config.json can be read, and its tokens exist", check_generation},
  };
  return kChecks;
}

}  // namespace bantam
