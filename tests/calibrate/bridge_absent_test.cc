#include <gtest/gtest.h>

#include <string>

#include "base/error.h"
#include "calibrate/tokenizer.h"

#if !BANTAM_HAS_TOKENIZERS

namespace bantam {
namespace {

TEST(TokenizerLeftOut, SaysHowToGetIt) {
  try {
    Tokenizer::from_json("{}");
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(error.message().find("-DBANTAM_TOKENIZERS=ON"), std::string::npos);
  }
}

}  // namespace
}  // namespace bantam

#endif
