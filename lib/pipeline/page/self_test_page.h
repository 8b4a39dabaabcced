#pragma once

#include <span>
#include <string>
#include <string_view>

#include "pipeline/plan.h"

namespace bantam {

inline constexpr std::string_view kSelfTestPage = "index.html";

// One HTML file that lies in the bundle's folder, loads the model in a worker through transformers.js, shows
// what it answers, how fast and how large it is, and says what is wrong where something is. It fetches
// nothing but the bundle, and the library from ./lib/ beside it or from where the page's address says
// (?lib=URL&ort=URL).
std::string self_test_page(const Plan& plan);

// The parts it is put together from, as they are in the binary: "page.html", "page.css", "page.js",
// "worker.js".
struct PageAsset {
  std::string_view name;
  std::string_view text;
};
std::span<const PageAsset> page_assets();

}  // namespace bantam
