#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace bantam {

// A figure and its standard error.
struct Measured {
  double value = 0;
  double error = 0;
};

// How a model of text predicts the tokens of a text, beside the reference it was made of. The figures are
// those of llama.cpp's perplexity tool; its errors take all tokens for independent, ours only the windows
// (the delta method for a ratio of sums over windows), because neighbouring tokens are not. With fewer than
// two windows errors are 0.
struct TokenAgreement {
  std::int64_t tokens = 0;
  std::int64_t windows = 0;
  Measured perplexity;
  Measured reference_perplexity;
  Measured perplexity_ratio;     // perplexity / reference_perplexity; errors of the ratios are paired
  Measured ln_perplexity_ratio;  // its logarithm: the mean loss that was added
  Measured kl_mean;              // KL(reference || model) of the next token's distribution, nats
  double kl_median = 0;
  double kl_p99 = 0;
  double kl_p999 = 0;
  double kl_max = 0;
  Measured delta_p_mean;  // p(token) - p_reference(token), of the text's own tokens
  Measured delta_p_rms;   // root of the mean square
  Measured same_top;      // share of tokens for which both find the same token likeliest
};

class TokenAgreementCollector {
 public:
  // Logits for one token, and which token it is. Rows must be finite.
  void add(std::span<const float> reference, std::span<const float> logits, std::int64_t token);
  void end_window();
  bool empty() const { return kl_.empty(); }
  // Of what was added; asserts that there is a token.
  TokenAgreement result() const;

 private:
  struct Sums {
    double tokens = 0, loss = 0, reference_loss = 0, kl = 0, delta_p = 0, delta_p_squares = 0, same_top = 0;
  };
  Measured mean(double Sums::*sum, double Sums::*minus = nullptr) const;

  std::vector<Sums> windows_;
  Sums open_;
  std::vector<double> kl_;
};

}  // namespace bantam
