#include "frame/terminal_progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/table.h"
#include "frame/log.h"
#include "frame/progress_meter.h"

namespace bantam {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::int64_t kNever = INT64_MAX;
constexpr std::int64_t kDrawMilliseconds = 100;
constexpr std::int64_t kPlainMilliseconds = 10'000;

enum class Style : std::uint8_t { kBar, kLines, kLog };

void write_stderr(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stderr);
}

bool variable_is(const char* name, std::string_view value) {
  const char* found = std::getenv(name);
  return found != nullptr && found == value;
}

std::size_t terminal_width() {
  struct winsize size {};
  if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  return 80;
}

// The counters are atomic and the clock is read without the lock, so that workers which call advance() for
// every tile never wait for the terminal.
class TerminalProgress final : public Progress {
 public:
  TerminalProgress(Style style, bool color) : style_(style), color_(color) {}
  ~TerminalProgress() override {
    const std::lock_guard lock(mutex_);
    end_phase();
  }

  void begin(std::string_view phase, std::int64_t total, ProgressUnit unit) override {
    const std::lock_guard lock(mutex_);
    end_phase();
    meter_ = {std::string(phase), total, unit};
    active_ = true;
    done_ = 0;
    start_ = Clock::now();
    if (style_ == Style::kLog) log_line(fmt::format("{}: begins", printable(phase)));
    next_draw_ = style_ == Style::kBar     ? kDrawMilliseconds
                 : style_ == Style::kLines ? kPlainMilliseconds
                                           : kNever;
  }

  void advance(std::int64_t units) override {
    done_.fetch_add(units, std::memory_order_relaxed);
    if (next_draw_ == kNever || milliseconds() < next_draw_) return;
    const std::unique_lock lock(mutex_, std::try_to_lock);
    if (!lock || !active_) return;
    if (style_ == Style::kBar) {
      draw();
      next_draw_ = milliseconds() + kDrawMilliseconds;
    } else {
      write_stderr(fmt::format("bantam: {}\n", meter_.standing(done_)));
      next_draw_ = milliseconds() + kPlainMilliseconds;
    }
  }

  void note(std::string_view text) override {
    const std::lock_guard lock(mutex_);
    if (style_ == Style::kLog) {
      log_note(printable(text));
      return;
    }
    erase();
    write_stderr(fmt::format("bantam: note: {}\n", printable(text)));
  }

 private:
  std::int64_t milliseconds() const {
    return std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - start_.load()).count();
  }
  double seconds() const { return static_cast<double>(milliseconds()) / 1000; }

  void draw() {
    // The last column stays free: a terminal that fills it may wrap.
    const std::string line = meter_.line(done_, seconds(), terminal_width() - 1, color_);
    write_stderr("\r" + line + "\x1b[K");
    drawn_ = true;
  }
  void erase() {
    if (drawn_) write_stderr("\r\x1b[K");
    drawn_ = false;
  }
  void end_phase() {
    if (!active_) return;
    active_ = false;
    erase();
    if (style_ == Style::kLines) write_stderr(fmt::format("bantam: {}\n", meter_.summary(done_, seconds())));
    if (style_ == Style::kLog) log_line(meter_.summary(done_, seconds()));
  }

  const Style style_;
  const bool color_;
  std::mutex mutex_;
  ProgressMeter meter_;
  bool active_ = false;
  bool drawn_ = false;
  std::atomic<std::int64_t> done_{0};
  std::atomic<std::int64_t> next_draw_{kNever};
  std::atomic<Clock::time_point> start_{Clock::time_point{}};
};

}  // namespace

std::unique_ptr<Progress> make_terminal_progress(bool verbose) {
  if (verbose) return std::make_unique<TerminalProgress>(Style::kLog, false);
  const bool terminal = ::isatty(STDERR_FILENO) != 0 && !variable_is("TERM", "dumb");
  const char* no_color = std::getenv("NO_COLOR");  // no-color.org: any value but the empty one
  const bool color = no_color == nullptr || *no_color == '\0';
  return std::make_unique<TerminalProgress>(terminal ? Style::kBar : Style::kLines, color);
}

}  // namespace bantam
