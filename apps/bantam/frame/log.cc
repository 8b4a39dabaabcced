// The only file that sees spdlog, used by its headers alone: Debian's compiled spdlog is a shared library
// that would bring libspdlog and libfmt along. fmt's own code comes from base/fmt_library.cc.
#define SPDLOG_FMT_EXTERNAL
#include "frame/log.h"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <chrono>
#include <memory>

#include "base/error.h"

namespace bantam {
namespace {

// %* : seconds since the first log line was wanted.
class Elapsed final : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg&, const std::tm&, spdlog::memory_buf_t& out) override {
    const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start_;
    const std::string text = fmt::format("{:8.3f}", elapsed.count());
    out.append(text.data(), text.data() + text.size());
  }
  std::unique_ptr<custom_flag_formatter> clone() const override { return std::make_unique<Elapsed>(*this); }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

spdlog::logger& logger() {
  static const std::shared_ptr<spdlog::logger> instance = [] {
    auto made = std::make_shared<spdlog::logger>("bantam", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    auto formatter = std::make_unique<spdlog::pattern_formatter>();
    formatter->add_flag<Elapsed>('*').set_pattern("bantam: [%* s] %l: %v");
    made->set_formatter(std::move(formatter));
    return made;
  }();
  return *instance;
}

}  // namespace

void log_line(std::string_view text) {
  logger().info("{}", text);
}
void log_note(std::string_view text) {
  logger().warn("{}", text);
}

}  // namespace bantam
