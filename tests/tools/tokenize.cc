// Answers tests/oracle/tokenizer_oracle.py: reads requests as JSON lines, writes encodings as JSON lines.
//   bantam_tokenize TOKENIZER_JSON_OR_FOLDER < requests > answers
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "calibrate/tokenizer.h"
#include "tests/calibrate/encode_options.h"

namespace bantam {
namespace {

Json to_json(const Encoding& encoding) {
  Json offsets = Json::array();
  for (const ByteRange& range : encoding.offsets) offsets.push_back({range.begin, range.end});
  return {{"ids", encoding.ids},
          {"type_ids", encoding.type_ids},
          {"offsets", offsets},
          {"word_ids", encoding.word_ids},
          {"special", encoding.special},
          {"sequence_ids", encoding.sequence_ids},
          {"mask", encoding.attention_mask}};
}

Json answer(const Tokenizer& tokenizer, const Json& request) {
  if (request.contains("decode")) {
    const auto ids = request["decode"].get<std::vector<std::int64_t>>();
    return tokenizer.decode(ids, request.value("skip_special_tokens", true));
  }
  const EncodeOptions options = options_of(request);
  if (request.contains("words")) {
    return Json::array(
        {to_json(tokenizer.encode_words(request["words"].get<std::vector<std::string>>(), options))});
  }
  const auto text = request["text"].get<std::string>();
  const auto pair = request.value("pair", std::string());
  Json spans = Json::array();
  for (const Encoding& span : tokenizer.encode_spans({text, pair, request.contains("pair")}, options)) {
    spans.push_back(to_json(span));
  }
  return spans;
}

}  // namespace
}  // namespace bantam

int main(int argc, char** argv) {
  using namespace bantam;
  if (argc != 2) return 2;
  try {
    const Tokenizer tokenizer = Tokenizer::load(argv[1]);
    std::string line;
    while (std::getline(std::cin, line)) {
      const Json request = parse_json(line);
      Json result;
      try {
        result = answer(tokenizer, request);
      } catch (const Error& error) {
        result = {{"error", error.message()}};
      }
      std::cout << result.dump() << '\n';
    }
  } catch (const Error& error) {
    std::cerr << error.message() << '\n';
    return 1;
  }
  return 0;
}
