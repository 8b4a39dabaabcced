#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "frame/options.h"
#include "pipeline/generate/generator.h"

namespace bantam {

// How a decoder is asked to write.
struct GenerationFlags {
  bool chat = false;
  std::optional<std::string> system;
  std::optional<std::filesystem::path> messages;
  std::optional<std::int64_t> max_new_tokens;
  std::optional<double> temperature;
  std::optional<std::int64_t> top_k;
  std::optional<double> top_p;
  std::optional<double> repetition_penalty;
  std::optional<std::int64_t> seed;

  // The first that was given, as it is typed; empty: none.
  std::string_view given() const;
  bool is_chat() const { return chat || system || messages; }
};

void declare_generation_flags(Options& options, GenerationFlags& flags);
// `defaults` with what the flags say. Usage errors for values out of range.
GenerationOptions generation_options(const GenerationFlags& flags, GenerationOptions defaults);

}  // namespace bantam
