#pragma once

#include <cstdint>
#include <string_view>

namespace bantam {

// What a phase counts: the user sees "12.5 MiB/s" or "812/s".
enum class ProgressUnit : std::uint8_t { kBytes, kItems };

// Where long work reports how far it is. lib/ only calls it; apps/ draws it. Thread-safe by contract.
class Progress {
 public:
  virtual ~Progress() = default;
  // Starts a phase of `total` units; a new phase ends the previous one. `phase` is a word or two: "encode".
  virtual void begin(std::string_view phase, std::int64_t total,
                     ProgressUnit unit = ProgressUnit::kBytes) = 0;
  virtual void advance(std::int64_t units) = 0;
  // A remark that the user should see: a warning, a decision taken.
  virtual void note(std::string_view text) = 0;
};

// Swallows everything.
Progress& silent_progress();

}  // namespace bantam
