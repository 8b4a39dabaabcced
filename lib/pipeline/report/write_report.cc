#include "pipeline/report/write_report.h"

#include "base/error.h"
#include "base/file.h"

namespace bantam {

void write_report(const Report& report, const std::filesystem::path& directory) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) fail_io(directory.string(), "create", error.value());
  replace_text_file(directory / "report.json", report_json(report));
  replace_text_file(directory / "report.md", report_markdown(report));
  replace_text_file(directory / "report.html", report_html(report));
}

}  // namespace bantam
