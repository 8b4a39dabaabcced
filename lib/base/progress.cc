#include "base/progress.h"

namespace bantam {
namespace {
class Silent final : public Progress {
 public:
  void begin(std::string_view, std::int64_t, ProgressUnit) override {}
  void advance(std::int64_t) override {}
  void note(std::string_view) override {}
};
}  // namespace

Progress& silent_progress() {
  static Silent silent;
  return silent;
}

}  // namespace bantam
