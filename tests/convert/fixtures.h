#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "convert/checkpoint.h"

namespace bantam::test {

// testdata/fixtures/<family>-<task>[-<variant>]
inline std::filesystem::path fixture(std::string_view name) {
  return std::filesystem::path(BANTAM_TESTDATA) / "fixtures" / name;
}

inline std::vector<std::string> fixture_names() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(fixture(""))) {
    if (std::filesystem::exists(entry.path() / "golden.safetensors"))
      names.push_back(entry.path().filename().string());
  }
  std::ranges::sort(names);
  return names;
}

// A tensor that must not be read.
class UnreadableSource final : public TensorSource {
 public:
  explicit UnreadableSource(TensorSpec spec) : spec_(std::move(spec)) {}
  const TensorSpec& spec() const override { return spec_; }
  void read(RowRange, std::span<std::byte>) const override {
    ADD_FAILURE() << spec_.name << ": a weight byte was read";
    std::abort();
  }

 private:
  TensorSpec spec_;
};

inline void set_tensor(Checkpoint& checkpoint, std::string name, Shape shape, DType dtype = DType::kF32) {
  TensorSpec spec{name, dtype, std::move(shape)};
  checkpoint.tensors[std::move(name)] = std::make_shared<UnreadableSource>(std::move(spec));
}

// The fixture's names, shapes and configuration; reading any weight aborts the test.
inline Checkpoint open_fixture(std::string_view name) {
  Checkpoint checkpoint = open_checkpoint(fixture(name).string());
  for (auto& [tensor, source] : checkpoint.tensors)
    source = std::make_shared<UnreadableSource>(source->spec());
  return checkpoint;
}

// The same with other values in config.json: `changes` is merged in, null removes a key.
inline Checkpoint open_fixture(std::string_view name, const Json& changes) {
  Checkpoint checkpoint = open_fixture(name);
  Json json = checkpoint.config.json();
  json.merge_patch(changes);
  checkpoint.config = Config(checkpoint.config.path(), std::move(json));
  return checkpoint;
}

}  // namespace bantam::test
