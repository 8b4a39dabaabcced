// Greedy tokens against PyTorch's (testdata/greedy-golden.json, tests/oracle/make_greedy_goldens.py), and how
// generating ends.
#include "pipeline/generate/generator.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json.h"
#include "calibrate/utf8.h"
#include "convert/architecture.h"
#include "convert/checkpoint.h"
#include "pipeline/generate/generation_config.h"
#include "pipeline/generate/text_stream.h"

namespace fs = std::filesystem;

namespace bantam {
namespace {

fs::path shared() {
  const char* folder = std::getenv("BANTAM_SHARED");
  return folder != nullptr ? fs::path(folder) : fs::path(BANTAM_SOURCE_DIR) / "../shared";
}

fs::path source_path(const std::string& source) {
  return source.starts_with("shared/") ? shared() / source.substr(7) : fs::path(BANTAM_TESTDATA) / source;
}

Session float_session(const fs::path& path) {
  SessionOptions options;
  options.threads = 1;
  return Session(build_model(open_checkpoint(path.string()), Task::kTextGeneration).graph, options);
}

using Ids = std::vector<std::int64_t>;

GenerationOptions greedy(std::int64_t tokens, Ids stop = {}) {
  GenerationOptions options;
  options.max_new_tokens = tokens;
  options.stop_ids = std::move(stop);
  return options;
}

TEST(Generator, WritesWhatPyTorchWrites) {
  const Json cases = read_json_file(fs::path(BANTAM_TESTDATA) / "greedy-golden.json");
  std::string open;
  std::optional<Session> session;
  int compared = 0, grown = 0;
  for (const Json& entry : cases) {
    const std::string source = entry["source"];
    if (!fs::exists(source_path(source))) {
      std::cout << "left out: " << source << " is not here\n";
      continue;
    }
    if (source != open) session.emplace(float_session(source_path(source)));
    open = source;
    const Ids expected = entry["generated"], prompt = entry["ids"];
    const Config config = Config::read(source_path(source) / "config.json");
    GenerationOptions options = greedy(std::ssize(expected), {config.integer("eos_token_id", 0)});
    options.switch_length = switch_length(config);
    grown += options.switch_length > 0 && std::ssize(prompt) + std::ssize(expected) > options.switch_length
                 ? 1
                 : 0;
    std::int64_t called = 0;
    const Generation generation = Generator(*session).generate(prompt, options, [&](std::int64_t token) {
      EXPECT_EQ(token, expected.at(static_cast<std::size_t>(called++)));
      return true;
    });
    EXPECT_EQ(generation.tokens, expected) << source << " " << entry["prompt"];
    EXPECT_EQ(called, std::ssize(expected));
    EXPECT_EQ(generation.prompt_tokens, std::ssize(prompt));
    ++compared;
  }
  EXPECT_GE(compared, 60);
  EXPECT_GE(grown, 2);  // over the length at which the keys turn otherwise
}

class TinyGenerator : public testing::Test {
 protected:
  Session session_ = float_session(fs::path(BANTAM_TESTDATA) / "fixtures/qwen2-text-generation");
  Generator generator_{session_};
  Ids prompt_ = {1, 5, 9, 33, 12};

  std::string refusal(const Ids& prompt, const GenerationOptions& options) const {
    try {
      static_cast<void>(generator_.generate(prompt, options));
      return "generated";
    } catch (const Error& error) {
      return error.message();
    }
  }
};

TEST_F(TinyGenerator, EndsAtStopIdsLengthContextOrWhenTheCallerHasEnough) {
  const Ids all = generator_.generate(prompt_, greedy(12)).tokens;
  ASSERT_EQ(all.size(), 12u);
  const auto first_of = [&](std::int64_t id) { return std::ranges::find(all, id) - all.begin() + 1; };

  const Generation stopped = generator_.generate(prompt_, greedy(12, {99, all[6]}));
  EXPECT_EQ(stopped.reason, FinishReason::kStop);
  EXPECT_EQ(stopped.tokens, Ids(all.begin(), all.begin() + first_of(all[6])));

  EXPECT_EQ(generator_.generate(prompt_, greedy(12)).reason, FinishReason::kLength);

  GenerationOptions narrow = greedy(12);
  narrow.context = 9;
  const Generation full = generator_.generate(prompt_, narrow);
  EXPECT_EQ(full.reason, FinishReason::kContext);
  EXPECT_EQ(full.tokens, Ids(all.begin(), all.begin() + 4));

  int calls = 0;
  const Generation enough =
      generator_.generate(prompt_, greedy(12), [&](std::int64_t) { return ++calls < 3; });
  EXPECT_EQ(enough.reason, FinishReason::kCaller);
  EXPECT_EQ(enough.tokens, Ids(all.begin(), all.begin() + 3));
}

TEST_F(TinyGenerator, RefusesPromptsWithoutTokensOrRoom) {
  EXPECT_NE(refusal({}, greedy(4)).find("no tokens"), std::string::npos);
  GenerationOptions narrow = greedy(4);
  narrow.context = 5;
  EXPECT_EQ(refusal(prompt_, narrow),
            "the prompt has 5 tokens, and the model takes 5 together with what it generates");
  EXPECT_NE(refusal({1, 67}, greedy(4)).find("Gather"), std::string::npos);  // an id beyond the vocabulary
}

TEST_F(TinyGenerator, DrawsTheSameTokensForASeed) {
  GenerationOptions drawn = greedy(20);
  drawn.sampling.temperature = 1;
  drawn.sampling.seed = 3;
  const Ids first = generator_.generate(prompt_, drawn).tokens;
  EXPECT_EQ(generator_.generate(prompt_, drawn).tokens, first);
  drawn.sampling.seed = 4;
  EXPECT_NE(generator_.generate(prompt_, drawn).tokens, first);
}

TEST(GeneratorOfAnEncoder, IsRefused) {
  const Session session(
      build_model(open_checkpoint((fs::path(BANTAM_TESTDATA) / "fixtures/bert-fill-mask").string()),
                  Task::kFillMask)
          .graph);
  EXPECT_THROW(Generator{session}, Error);
}

#if BANTAM_HAS_TOKENIZERS

// Pieces are whole characters and together what decoding everything at once adds.
void expect_stream(const Tokenizer& tokenizer, const Ids& before, const Ids& ids) {
  TextStream stream(tokenizer, before);
  std::string text;
  for (const std::int64_t id : ids) {
    const std::string piece = stream.push(id);
    EXPECT_FALSE(invalid_utf8(piece));
    text += piece;
  }
  text += stream.finish();
  Ids all = before;
  all.insert(all.end(), ids.begin(), ids.end());
  EXPECT_EQ(tokenizer.decode(before) + text, tokenizer.decode(all));
}

TEST(TextStream, AddsUpToTheDecodedText) {
  // Not WordPiece, which glues punctuation to the word before: what was written would change.
  for (const std::string name :
       {"llama3-like", "roberta", "sentencepiece-bpe-fallback", "unigram-metaspace"}) {
    const Tokenizer tokenizer = Tokenizer::load(fs::path(BANTAM_TESTDATA) / "tokenizers" / (name + ".json"));
    SCOPED_TRACE(name);
    for (const std::string text :
         {"A plain sentence, twice.", "na\u00efve caf\u00e9 \u4f60\u597d \U0001f389\U0001f389!",
          " lead \n\n trail ", "\u2603"}) {
      const Ids ids = tokenizer.encode(text, {.add_special_tokens = false}).ids;
      expect_stream(tokenizer, {}, ids);
      for (std::size_t cut = 1; cut < ids.size(); ++cut) {
        const auto middle = ids.begin() + static_cast<std::ptrdiff_t>(cut);
        const Ids before(ids.begin(), middle);
        if (tokenizer.decode(before).ends_with("\xef\xbf\xbd")) continue;  // half a character
        expect_stream(tokenizer, before, Ids(middle, ids.end()));
      }
    }
  }
}

TEST(TextStream, HoldsBackBytesUntilACharacterIsWhole) {
  const fs::path path = shared() / "models/pycode-qwen2";
  if (!fs::exists(path)) GTEST_SKIP() << path << " is not here";
  const Tokenizer tokenizer = Tokenizer::load(path);
  const Ids ids = tokenizer.encode("\U0001f389").ids;
  ASSERT_GT(ids.size(), 1u);
  TextStream stream(tokenizer);
  for (std::size_t i = 0; i + 1 < ids.size(); ++i) EXPECT_EQ(stream.push(ids[i]), "");
  EXPECT_EQ(stream.push(ids.back()), "\U0001f389");
  EXPECT_EQ(stream.push(ids.front()), "");
  EXPECT_EQ(stream.finish(), "\xef\xbf\xbd");
}

#endif

}  // namespace
}  // namespace bantam
