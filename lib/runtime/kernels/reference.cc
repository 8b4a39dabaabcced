// What the tuned kernels must compute, in the plainest form.
#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "runtime/kernels/kernels.h"

namespace bantam {
namespace {

constexpr int kColumns = 8;

void tile(int m, int n, std::int64_t k, const float* a, std::int64_t lda, const float* panel,
          const float* bias, float* c, std::int64_t ldc, bool add) {
  for (int i = 0; i < m; ++i) {
    for (int j = 0; j < n; ++j) {
      double sum = bias != nullptr ? bias[j] : 0.0;
      for (std::int64_t p = 0; p < k; ++p)
        sum += static_cast<double>(a[i * lda + p]) * panel[p * kColumns + j];
      float& out = c[i * ldc + j];
      out = add ? out + static_cast<float>(sum) : static_cast<float>(sum);
    }
  }
}

constexpr int kIntegerColumns = 4;

void integer_tile(int m, std::int64_t groups, const void* a, std::int64_t lda, const std::int8_t* panel,
                  std::int32_t* c, std::int64_t ldc) {
  const auto* rows = static_cast<const std::uint8_t*>(a);
  for (int i = 0; i < m; ++i) {
    for (int j = 0; j < kIntegerColumns; ++j) {
      std::uint32_t sum = 0;
      for (std::int64_t p = 0; p < groups * 4; ++p) {
        const int product = rows[i * lda + p] * panel[(p / 4 * kIntegerColumns + j) * 4 + p % 4];
        sum += static_cast<std::uint32_t>(product);
      }
      c[i * ldc + j] = static_cast<std::int32_t>(sum);
    }
  }
}

void to_float(const std::int32_t* c, std::int32_t row_sum, const std::int32_t* column_terms,
              const std::int32_t* zeros, const float* scales, const float* bias, float* out,
              std::int64_t count) {
  for (std::int64_t j = 0; j < count; ++j) {
    const std::int64_t zero = zeros != nullptr ? zeros[j] : 0;
    const auto sum = static_cast<std::int32_t>(std::int64_t{c[j]} + column_terms[j] - row_sum * zero);
    out[j] = static_cast<float>(sum) * scales[j] + (bias != nullptr ? bias[j] : 0.0f);
  }
}

void to_int(const std::int32_t* c, std::int32_t row_sum, const std::int32_t* column_terms,
            const std::int32_t* zeros, std::int32_t* out, std::int64_t count) {
  for (std::int64_t j = 0; j < count; ++j) {
    const std::int64_t zero = zeros != nullptr ? zeros[j] : 0;
    out[j] = static_cast<std::int32_t>(std::int64_t{c[j]} + column_terms[j] - row_sum * zero);
  }
}

float weight_at(int bits, const std::uint8_t* codes, const float* scales, const float* zeros,
                std::int64_t block, std::int64_t p, int j) {
  const int row_bytes = kColumns * bits / 8;
  const int code = codes[p * row_bytes + j % row_bytes] >> (j / row_bytes * bits) & ((1 << bits) - 1);
  const std::int64_t at = p / block * kColumns + j;
  return (static_cast<float>(code) - zeros[at]) * scales[at];
}

void decode(int bits, const std::uint8_t* codes, const float* scales, const float* zeros, std::int64_t block,
            std::int64_t rows, float* out) {
  for (std::int64_t p = 0; p < rows; ++p) {
    for (int j = 0; j < kColumns; ++j)
      out[p * kColumns + j] = weight_at(bits, codes, scales, zeros, block, p, j);
  }
}

void nbits_row(int bits, const float* a, const float*, const std::uint8_t* codes, const float* scales,
               const float* zeros, std::int64_t block, std::int64_t k, float* out) {
  for (int j = 0; j < kColumns; ++j) {
    double sum = 0;
    for (std::int64_t p = 0; p < k; ++p)
      sum += static_cast<double>(a[p]) * weight_at(bits, codes, scales, zeros, block, p, j);
    out[j] = static_cast<float>(sum);
  }
}

template <typename F>
void map(const float* in, float* out, std::int64_t count, F f) {
  for (std::int64_t i = 0; i < count; ++i) out[i] = static_cast<float>(f(static_cast<double>(in[i])));
}

double sigmoid(double x) {
  return 1 / (1 + std::exp(-x));
}

void activate(Activation activation, const float* in, float* out, std::int64_t count) {
  map(in, out, count, [&](double x) {
    switch (activation) {
      case Activation::kNone:
        break;
      case Activation::kRelu:
        return x < 0 ? 0.0 : x;
      case Activation::kGeluErf:
        return 0.5 * x * (1 + std::erf(x / std::sqrt(2.0)));
      case Activation::kGeluTanh:
        return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
      case Activation::kTanh:
        return std::tanh(x);
      case Activation::kSigmoid:
        return sigmoid(x);
      case Activation::kSilu:
        return x * sigmoid(x);
    }
    return x;
  });
}

void softmax(float* row, std::int64_t count, bool log) {
  double high = -std::numeric_limits<double>::infinity();
  for (std::int64_t i = 0; i < count; ++i) high = std::max<double>(high, row[i]);
  double total = 0;
  for (std::int64_t i = 0; i < count; ++i) total += std::exp(row[i] - high);
  map(row, row, count,
      [&](double x) { return log ? x - high - std::log(total) : std::exp(x - high) / total; });
}

void attention_softmax(float* row, std::int64_t count, float scale, float sink) {
  double high = sink;
  for (std::int64_t i = 0; i < count; ++i) high = std::max(high, static_cast<double>(row[i]) * scale);
  double total = std::isinf(high) ? 1 : std::exp(sink - high);
  for (std::int64_t i = 0; i < count && !std::isinf(high); ++i)
    total += std::exp(static_cast<double>(row[i]) * scale - high);
  map(row, row, count, [&](double x) { return std::isinf(high) ? 0.0 : std::exp(x * scale - high) / total; });
}

void scale_add(float* row, float scale, const float* bias, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) row[i] = row[i] * scale + bias[i];
}

void add(const float* a, const float* b, float* out, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) out[i] = a[i] + b[i];
}

float dot(const float* a, const float* b, std::int64_t count) {
  double sum = 0;
  for (std::int64_t i = 0; i < count; ++i) sum += static_cast<double>(a[i]) * b[i];
  return static_cast<float>(sum);
}

void axpy(float alpha, const float* x, float* y, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) y[i] += alpha * x[i];
}

void normalize(const float* x, const float* gain, const float* shift, float epsilon, bool center, float* out,
               std::int64_t count, float* mean_out, float* inverse_out) {
  double mean = 0;
  for (std::int64_t i = 0; center && i < count; ++i) mean += x[i] / static_cast<double>(count);
  double variance = 0;
  for (std::int64_t i = 0; i < count; ++i)
    variance += (x[i] - mean) * (x[i] - mean) / static_cast<double>(count);
  const double inverse = 1 / std::sqrt(variance + epsilon);
  if (mean_out != nullptr) *mean_out = static_cast<float>(mean);
  if (inverse_out != nullptr) *inverse_out = static_cast<float>(inverse);
  for (std::int64_t i = 0; i < count; ++i) {
    const double value = (x[i] - mean) * inverse;
    out[i] = static_cast<float>(value * (gain != nullptr ? gain[i] : 1) + (shift != nullptr ? shift[i] : 0));
  }
}

void min_max(const float* in, std::int64_t count, float* low, float* high) {
  *low = std::numeric_limits<float>::infinity();
  *high = -*low;
  for (std::int64_t i = 0; i < count; ++i) {
    *low = std::fmin(*low, in[i]);
    *high = std::fmax(*high, in[i]);
  }
}

template <typename T>
void quantize(const float* in, float scale, std::int32_t zero, T* out, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) {
    const float value = std::nearbyint(in[i] / scale) + static_cast<float>(zero);
    const float low = std::numeric_limits<T>::min();
    out[i] = static_cast<T>(std::isnan(value) ? low
                                              : std::clamp<float>(value, low, std::numeric_limits<T>::max()));
  }
}

}  // namespace

const Kernels& reference_kernels() {
  static const Kernels table = {{4, kColumns, tile},
                                {2, kIntegerColumns, 1, integer_tile, to_float, to_int},
                                {kColumns, decode, nbits_row},
                                {[](const float* in, float* out, std::int64_t count) {
                                   map(in, out, count, [](double x) { return std::exp(x); });
                                 },
                                 [](const float* in, float* out, std::int64_t count) {
                                   map(in, out, count, [](double x) { return std::erf(x); });
                                 },
                                 activate, softmax, attention_softmax, scale_add, add, dot, axpy, normalize,
                                 min_max, quantize<std::uint8_t>, quantize<std::int8_t>}};
  return table;
}

}  // namespace bantam
