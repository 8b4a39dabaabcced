// Broken models: every case of the ONNX conformance suite with some of its bytes changed. Whatever comes of
// it, it is an Error or a result: no crash, no endless allocation. (Run it under sanitizers.)
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <random>

#include "base/error.h"
#include "base/file.h"
#include "runtime/model_case.h"

namespace fs = std::filesystem;

namespace bantam {
namespace {

constexpr const char* kInstalled = "/usr/share/libonnx-testdata/data/node";

struct Seed {
  std::string model;
  std::vector<Tensor> inputs;
};

std::vector<Seed> seeds() {
  std::vector<fs::path> folders;
  for (const auto& entry : fs::directory_iterator(kInstalled)) folders.push_back(entry.path());
  std::sort(folders.begin(), folders.end());
  std::vector<Seed> list;
  for (const fs::path& folder : folders) {
    Seed seed;
    seed.model = read_text_file(folder / "model.onnx", 1 << 24);
    for (int i = 0; fs::exists(folder / "test_data_set_0" / fmt::format("input_{}.pb", i)); ++i) {
      try {
        seed.inputs.push_back(
            Tensor::from(read_tensor_file(folder / "test_data_set_0" / fmt::format("input_{}.pb", i))));
      } catch (const Error&) {  // a sequence: the model is refused before it is fed
      }
    }
    list.push_back(std::move(seed));
  }
  return list;
}

// One to three bytes changed: in the middle of attributes, dimensions, names, constants.
std::string broken(const std::string& text, std::mt19937& random) {
  std::string result = text;
  for (unsigned changes = 1 + random() % 3; changes > 0; --changes) {
    const std::size_t at = random() % result.size();
    switch (random() % 4) {
      case 0:
        result[at] = static_cast<char>(result[at] ^ (1 << random() % 8));
        break;
      case 1:
        result[at] = static_cast<char>(random() % 2 == 0 ? 0xff : 0x7f);
        break;
      case 2:
        result[at] = static_cast<char>(random() % 4);
        break;
      default:
        result[at] = static_cast<char>(random());
    }
  }
  return result;
}

TEST(HostileModels, BrokenOnesAreErrorsOrRun) {
  ASSERT_TRUE(fs::is_directory(kInstalled)) << "install the package libonnx-testdata";
  const char* wanted = std::getenv("BANTAM_HOSTILE_ROUNDS");
  const int rounds = wanted != nullptr ? std::atoi(wanted) : 20;
  const fs::path file = fs::path(testing::TempDir()) / fmt::format("hostile-{}.onnx", ::getpid());
  SessionOptions options;
  options.threads = 1;
  options.memory_limit = 64 << 20;
  std::mt19937 random(7);
  int ran = 0, refused = 0;
  for (const Seed& seed : seeds()) {
    for (int round = 0; round < rounds; ++round) {
      const std::string model = broken(seed.model, random);
      fs::remove(file);
      write_text_file(file, model);
      try {
        const Session session = Session::open(file, options);
        Tensors inputs;
        for (std::size_t i = 0; i < session.inputs().size() && i < seed.inputs.size(); ++i)
          inputs[session.inputs()[i].name] = seed.inputs[i];
        session.run(inputs);
        ++ran;
      } catch (const Error&) {
        ++refused;
      }
    }
  }
  fs::remove(file);
  // Both happen a lot, or the test tests nothing.
  EXPECT_GT(ran, rounds * 50);
  EXPECT_GT(refused, rounds * 50);
}

}  // namespace
}  // namespace bantam
