// Elementwise functions and row reductions. Compiled once per instruction-set level; only internal linkage
// besides the table. Functions are branch-free scalar code in plain loops, which GCC turns into vectors;
// reductions are written with vectors. The polynomials are minimax fits made for this file.
#include <cstdint>

#include "runtime/kernels/kernels.h"
#include "runtime/kernels/vec.isa.h"

namespace bantam::BANTAM_ISA_NAMESPACE {
namespace {

// A loop that calls a function stays scalar.
#define BANTAM_INLINE [[gnu::always_inline]] inline

constexpr float kInfinity = __builtin_inff();

BANTAM_INLINE float fma(float a, float b, float c) {
#if defined(__FMA__) || defined(__aarch64__)
  return __builtin_fmaf(a, b, c);
#else
  return a * b + c;
#endif
}

// e^x = 2^n * e^r with n = round(x / ln 2); 2^n in two factors, so that subnormal results and overflow come
// out right.
BANTAM_INLINE float exp_of(float x) {
  x = x < -104.0f ? -104.0f : x;
  x = x > 89.0f ? 89.0f : x;
  const float shifted = fma(x, 1.44269504f, 12582912.0f);  // n in the low bits
  const float n = shifted - 12582912.0f;
  const std::int32_t whole = __builtin_bit_cast(std::int32_t, shifted) - 0x4b400000;
  const float r = fma(n, 2.12194440e-4f, fma(n, -0.693359375f, x));
  float q = 0.0013950489f;
  q = fma(q, r, 0.00836889f);
  q = fma(q, r, 0.041666206f);
  q = fma(q, r, 0.16666518f);
  q = fma(q, r, 0.5f);
  const float value = fma(q, r * r, r) + 1.0f;
  const std::int32_t half = whole >> 1;
  const float first = __builtin_bit_cast(float, static_cast<std::uint32_t>(half + 127) << 23);
  const float second = __builtin_bit_cast(float, static_cast<std::uint32_t>(whole - half + 127) << 23);
  return value * first * second;
}

BANTAM_INLINE float erf_of(float x) {
  const float a = __builtin_fabsf(x);
  const float s = x * x;
  float small = 7.889119e-05f;
  small = fma(small, s, -0.0008020841f);
  small = fma(small, s, 0.005189535f);
  small = fma(small, s, -0.026854444f);
  small = fma(small, s, 0.112836f);
  small = fma(small, s, -0.37612626f);
  small = fma(small, s, 1.1283791f);
  small = small * x;
  const float c = a > 4.0f ? 4.0f : a;
  float log = 2.168685e-05f;  // -log(erfc)
  log = fma(log, c, -0.00044133636f);
  log = fma(log, c, 0.004204562f);
  log = fma(log, c, -0.025208257f);
  log = fma(log, c, 0.10841858f);
  log = fma(log, c, 0.6332199f);
  log = fma(log, c, 1.1295785f);
  log = fma(log, c, -0.00018804021f);
  const float large = __builtin_copysignf(1.0f - exp_of(-log), x);
  return a > 1.0f ? large : small;  // NaN takes the small branch and stays
}

BANTAM_INLINE float tanh_of(float x) {
  const float a = __builtin_fabsf(x);
  const float s = x * x;
  float p = -0.0061131883f;
  p = fma(p, s, 0.021010078f);
  p = fma(p, s, -0.05385407f);
  p = fma(p, s, 0.13332795f);
  p = fma(p, s, -0.33333328f);
  const float small = fma(p * s, x, x);
  const float large = __builtin_copysignf(1.0f - 2.0f / (exp_of(2.0f * a) + 1.0f), x);
  return a > 0.625f ? large : small;
}

BANTAM_INLINE float sigmoid_of(float x) {
  return 1.0f / (1.0f + exp_of(-x));
}
BANTAM_INLINE float gelu_erf_of(float x) {
  return 0.5f * x * (1.0f + erf_of(x * 0.70710678f));
}
BANTAM_INLINE float gelu_tanh_of(float x) {
  return 0.5f * x * (1.0f + tanh_of(0.79788456f * fma(0.044715f * x * x, x, x)));
}

template <float (*kFunction)(float)>
void map(const float* in, float* out, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) out[i] = kFunction(in[i]);
}
BANTAM_INLINE float relu_of(float x) {
  return x < 0.0f ? 0.0f : x;
}
BANTAM_INLINE float silu_of(float x) {
  return x * sigmoid_of(x);
}
BANTAM_INLINE float same(float x) {
  return x;
}

void activate(Activation activation, const float* in, float* out, std::int64_t count) {
  switch (activation) {
    case Activation::kNone:
      return map<same>(in, out, count);
    case Activation::kRelu:
      return map<relu_of>(in, out, count);
    case Activation::kGeluErf:
      return map<gelu_erf_of>(in, out, count);
    case Activation::kGeluTanh:
      return map<gelu_tanh_of>(in, out, count);
    case Activation::kTanh:
      return map<tanh_of>(in, out, count);
    case Activation::kSigmoid:
      return map<sigmoid_of>(in, out, count);
    case Activation::kSilu:
      return map<silu_of>(in, out, count);
  }
}

// A reduction keeps kLanes partial results, whatever the width of a vector, and combines them pairwise at the
// end: every level adds in the same order.
constexpr int kLanes = 32;
constexpr int kParts = kLanes / kVecLanes;

struct Sum {
  static constexpr float kNeutral = 0.0f;
  BANTAM_INLINE static Vec of(Vec a, Vec b) { return add(a, b); }
  BANTAM_INLINE static float of(float a, float b) { return a + b; }
};
struct Least {
  static constexpr float kNeutral = kInfinity;
  BANTAM_INLINE static Vec of(Vec a, Vec b) { return smaller(a, b); }
  BANTAM_INLINE static float of(float a, float b) { return b < a ? b : a; }
};
struct Most {
  static constexpr float kNeutral = -kInfinity;
  BANTAM_INLINE static Vec of(Vec a, Vec b) { return larger(a, b); }
  BANTAM_INLINE static float of(float a, float b) { return b > a ? b : a; }
};

template <typename Kind>
struct Partial {
  Vec parts[kParts];

  Partial() {
    for (Vec& part : parts) part = broadcast(&Kind::kNeutral);
  }
  float combined() {
    for (int width = kParts / 2; width > 0; width /= 2) {
      for (int i = 0; i < width; ++i) parts[i] = Kind::of(parts[i], parts[i + width]);
    }
    float values[kVecLanes];
    store(values, parts[0]);
    for (int width = kVecLanes / 2; width > 0; width /= 2) {
      for (int i = 0; i < width; ++i) values[i] = Kind::of(values[i], values[i + width]);
    }
    return values[0];
  }
};

// Calls step(part, at) for every vector of [0, count), where at(p, fill) is the vector of p[i] and the places
// behind the end are `fill`.
template <typename Step>
BANTAM_INLINE void for_vectors(std::int64_t count, Step step) {
  std::int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    for (int part = 0; part < kParts; ++part)
      step(part, [&](const float* p, float) { return load(p + i + part * kVecLanes); });
  }
  for (int part = 0; i < count; i += kVecLanes, ++part) {
    step(part, [&](const float* p, float fill) {
      float values[kVecLanes];
      for (int j = 0; j < kVecLanes; ++j) values[j] = i + j < count ? p[i + j] : fill;
      return load(values);
    });
  }
}

float sum(const float* in, std::int64_t count) {
  Partial<Sum> total;
  for_vectors(count, [&](int part, auto at) { total.parts[part] = add(total.parts[part], at(in, 0.0f)); });
  return total.combined();
}

// Of (x - middle)^2.
float sum_of_squares(const float* x, float middle, std::int64_t count) {
  Partial<Sum> total;
  const Vec center = broadcast(&middle);
  for_vectors(count, [&](int part, auto at) {
    const Vec d = subtract(at(x, middle), center);
    total.parts[part] = fma(d, d, total.parts[part]);
  });
  return total.combined();
}

float dot(const float* a, const float* b, std::int64_t count) {
  Partial<Sum> total;
  for_vectors(count, [&](int part, auto at) {
    total.parts[part] = fma(at(a, 0.0f), at(b, 0.0f), total.parts[part]);
  });
  return total.combined();
}

float highest(const float* in, std::int64_t count) {
  Partial<Most> most;
  for_vectors(count,
              [&](int part, auto at) { most.parts[part] = larger(at(in, -kInfinity), most.parts[part]); });
  return most.combined();
}

void min_max(const float* in, std::int64_t count, float* low, float* high) {
  Partial<Least> least;
  Partial<Most> most;
  for_vectors(count, [&](int part, auto at) {
    least.parts[part] = smaller(at(in, kInfinity), least.parts[part]);
    most.parts[part] = larger(at(in, -kInfinity), most.parts[part]);
  });
  *low = least.combined();
  *high = most.combined();
}

// Of e^(x - high).
float sum_of_exp(const float* in, float high, std::int64_t count) {
  constexpr std::int64_t kPiece = 256;
  float total = 0.0f;
  for (std::int64_t i = 0; i < count; i += kPiece) {
    float values[kPiece];
    const std::int64_t length = count - i < kPiece ? count - i : kPiece;
    for (std::int64_t j = 0; j < length; ++j) values[j] = exp_of(in[i + j] - high);
    total += sum(values, length);
  }
  return total;
}

void softmax(float* row, std::int64_t count, bool log) {
  const float high = highest(row, count);
  if (log) {
    const float shift = __builtin_logf(sum_of_exp(row, high, count));
    for (std::int64_t i = 0; i < count; ++i) row[i] = row[i] - high - shift;  // `high` alone may be huge
    return;
  }
  for (std::int64_t i = 0; i < count; ++i) row[i] = exp_of(row[i] - high);
  const float total = sum(row, count);
  const float inverse = 1.0f / total;
  for (std::int64_t i = 0; i < count; ++i) row[i] *= inverse;
}

void attention_softmax(float* row, std::int64_t count, float scale, float sink) {
  float high = highest(row, count) * scale;
  high = high > sink ? high : sink;
  if (high == -kInfinity) {
    for (std::int64_t i = 0; i < count; ++i) row[i] = row[i] == row[i] ? 0.0f : row[i];
    return;
  }
  for (std::int64_t i = 0; i < count; ++i) row[i] = exp_of(fma(row[i], scale, -high));
  const float total = sum(row, count) + exp_of(sink - high);
  const float inverse = 1.0f / total;
  for (std::int64_t i = 0; i < count; ++i) row[i] *= inverse;
}

void scale_add(float* row, float scale, const float* bias, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) row[i] = fma(row[i], scale, bias[i]);
}

void add(const float* a, const float* b, float* out, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) out[i] = a[i] + b[i];
}

void axpy(float alpha, const float* x, float* y, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) y[i] = fma(alpha, x[i], y[i]);
}

void normalize(const float* x, const float* gain, const float* shift, float epsilon, bool center, float* out,
               std::int64_t count, float* mean_out, float* inverse_out) {
  const float scale = 1.0f / static_cast<float>(count);
  const float mean = center ? sum(x, count) * scale : 0.0f;
  const float variance = sum_of_squares(x, mean, count) * scale;
  const float inverse = 1.0f / __builtin_sqrtf(variance + epsilon);
  if (mean_out != nullptr) *mean_out = mean;
  if (inverse_out != nullptr) *inverse_out = inverse;
  if (gain != nullptr && shift != nullptr) {
    for (std::int64_t i = 0; i < count; ++i) out[i] = fma((x[i] - mean) * inverse, gain[i], shift[i]);
  } else if (gain != nullptr) {
    for (std::int64_t i = 0; i < count; ++i) out[i] = (x[i] - mean) * inverse * gain[i];
  } else {
    for (std::int64_t i = 0; i < count; ++i) out[i] = (x[i] - mean) * inverse;
  }
}

// Adding and taking away 1.5 * 2^23 rounds to the nearest integer, ties to even, for |x| < 2^22.
float round_even(float x) {
  return (x + 12582912.0f) - 12582912.0f;
}

template <typename T, std::int32_t kLow, std::int32_t kHigh>
void quantize(const float* in, float scale, std::int32_t zero, T* out, std::int64_t count) {
  const float low = static_cast<float>(kLow - zero);
  const float high = static_cast<float>(kHigh - zero);
  for (std::int64_t i = 0; i < count; ++i) {
    float value = in[i] / scale;
    value = value > low ? value : low;  // NaN becomes the lowest value
    value = value < high ? value : high;
    out[i] = static_cast<T>(static_cast<std::int32_t>(round_even(value)) + zero);
  }
}

}  // namespace

extern const VectorKernels kVectorKernels;
const VectorKernels kVectorKernels = {map<exp_of>,
                                      map<erf_of>,
                                      activate,
                                      softmax,
                                      attention_softmax,
                                      scale_add,
                                      add,
                                      dot,
                                      axpy,
                                      normalize,
                                      min_max,
                                      quantize<std::uint8_t, 0, 255>,
                                      quantize<std::int8_t, -128, 127>};

}  // namespace bantam::BANTAM_ISA_NAMESPACE
