// bantam_small_files CHECKPOINT OUT: the bundle's small files for a checkpoint folder that needs no weights,
// only config.json, for tests/oracle/tokenizer_files.py. Prints the notes.
#include <cstdio>
#include <filesystem>

#include "base/error.h"
#include "base/file.h"
#include "pipeline/tokenizer_files.h"

namespace fs = std::filesystem;

namespace {

void write_small_files(const fs::path& folder, const fs::path& out) {
  const bantam::Checkpoint checkpoint{
      folder, folder.string(), bantam::Config::read(folder / "config.json"), {}, {}, {}};
  std::vector<std::string> notes;
  for (const bantam::SmallFile& file : bantam::collect_small_files(checkpoint, notes)) {
    const fs::path path = out / file.name;
    fs::create_directories(path.parent_path());
    fs::remove(path);
    bantam::write_text_file(
        path, file.copy_of.empty() ? file.text : bantam::read_text_file(file.copy_of, file.bytes));
  }
  for (const std::string& note : notes) std::printf("%s\n", note.c_str());
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: bantam_small_files CHECKPOINT OUT\n");
    return 2;
  }
  try {
    write_small_files(argv[1], argv[2]);
  } catch (const bantam::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  return 0;
}
