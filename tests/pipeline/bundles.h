#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/json.h"
#include "pipeline/run.h"
#include "tests/convert/checkpoint_files.h"
#include "tests/convert/fixtures.h"

namespace bantam::test {

inline std::vector<DtypeName> all_dtypes() {
  std::vector<DtypeName> all;
  for (const DtypeNameInfo& entry : dtype_names()) all.push_back(entry.dtype);
  return all;
}

inline Recipe recipe_of(const std::filesystem::path& source,
                        const std::vector<DtypeName>& dtypes = all_dtypes()) {
  Recipe recipe;
  recipe.source = source.string();
  for (const DtypeName dtype : dtypes) recipe.variants.push_back({.dtype = dtype});
  recipe.threads = 2;
  return recipe;
}

inline std::string bytes_of(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file) << path;
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

// Every file under `folder` by its name relative to it.
inline std::map<std::string, std::string> files_under(const std::filesystem::path& folder) {
  std::map<std::string, std::string> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (!entry.is_directory())
      files[entry.path().lexically_relative(folder).string()] = bytes_of(entry.path());
  }
  return files;
}

// A written bundle, removed with its folder.
class Bundle {
 public:
  explicit Bundle(Recipe recipe) {
    recipe.output = folder_ / "bundle";
    plan_ = std::make_unique<Plan>(plan_bundle(recipe, true, silent_progress()));
    result_ = write_bundle(*plan_, silent_progress());
    manifest_ = json("bantam.json");
  }
  const Plan& plan() const { return *plan_; }
  const BundleResult& result() const { return result_; }
  std::filesystem::path path() const { return folder_ / "bundle"; }
  std::filesystem::path operator/(std::string_view name) const { return path() / name; }
  Json json(std::string_view name) const { return read_json_file(path() / name); }
  const Json& manifest() const { return manifest_; }

 private:
  TempFolder folder_;
  std::unique_ptr<Plan> plan_;
  BundleResult result_;
  Json manifest_;
};

inline std::filesystem::path small_model() {
  return std::filesystem::path(BANTAM_TESTDATA) / "sst2-bert-tiny";
}

}  // namespace bantam::test
