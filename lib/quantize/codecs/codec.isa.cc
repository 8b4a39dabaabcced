// How blocks choose their scales. Every block is encoded in one lane of a vector: no sum ever crosses lanes,
// so that the vector width cannot show in the result.
#include "quantize/codecs/block_lanes.h"

namespace bantam::BANTAM_ISA_NAMESPACE {
namespace {

// Sums over a block for the codes of a grid. The best scale for given codes is product / squares (least
// squares).
struct Fit {
  FloatLanes product;  // of value and code
  FloatLanes squares;  // of the codes
  FloatLanes error;    // squared, of the decoded values
};

Fit fit(const Group& group, int size, const Grid& grid) {
  Fit sums = {broadcast(0.0f), broadcast(0.0f), broadcast(0.0f)};
  const FloatLanes inverse = 1.0f / grid.scale;
  for (int k = 0; k < size; ++k) {
    const FloatLanes value = group.values[k];
    const FloatLanes code = code_of(value, inverse, grid.lowest, grid.highest);
    const FloatLanes difference = value - code * grid.scale;
    sums.product += value * code;
    sums.squares += code * code;
    sums.error += difference * difference;
  }
  return sums;
}

// The best grid so far by exact error.
struct Best {
  Grid grid;
  FloatLanes error;
  FloatLanes refit;  // the least-squares scale for the codes of the grid that was tried last
};

void try_grid(const Group& group, int size, const Grid& grid, Best& best) {
  const Fit sums = fit(group, size, grid);
  const IntLanes better = sums.error < best.error;
  best.grid.scale = select(better, grid.scale, best.grid.scale);
  best.grid.lowest = select(better, grid.lowest, best.grid.lowest);
  best.grid.highest = select(better, grid.highest, best.grid.highest);
  best.error = select(better, sums.error, best.error);
  best.refit = sums.product / larger(sums.squares, broadcast(1.0f));
}

// A grid before its scale is fitted: codes are clamp(round(value * inverse), lowest, highest).
struct Candidate {
  FloatLanes inverse;
  FloatLanes lowest;
  FloatLanes highest;
};

// Keeps the candidate whose codes, with their least-squares scale, leave the smallest squared error, that is
// the largest product^2 / squares. Candidates go in fours: enough independent sums to hide latency.
struct Contest {
  FloatLanes score = broadcast(-1.0f);
  Grid winner = {};
};

void enter(const Group& group, int size, const Candidate (&candidates)[4], Contest& contest) {
  FloatLanes p0 = {}, p1 = {}, p2 = {}, p3 = {}, s0 = {}, s1 = {}, s2 = {}, s3 = {};
  const auto [i0, l0, h0] = candidates[0];
  const auto [i1, l1, h1] = candidates[1];
  const auto [i2, l2, h2] = candidates[2];
  const auto [i3, l3, h3] = candidates[3];
  for (int k = 0; k < size; ++k) {
    const FloatLanes value = group.values[k];
    const FloatLanes c0 = code_of(value, i0, l0, h0), c1 = code_of(value, i1, l1, h1);
    const FloatLanes c2 = code_of(value, i2, l2, h2), c3 = code_of(value, i3, l3, h3);
    p0 += value * c0, s0 += c0 * c0;
    p1 += value * c1, s1 += c1 * c1;
    p2 += value * c2, s2 += c2 * c2;
    p3 += value * c3, s3 += c3 * c3;
  }
  const FloatLanes products[4] = {p0, p1, p2, p3}, squares[4] = {s0, s1, s2, s3};
  for (int i = 0; i < 4; ++i) {
    const FloatLanes scale = products[i] / larger(squares[i], broadcast(1.0f));
    const FloatLanes score = products[i] * scale;
    const IntLanes better = score > contest.score;
    contest.score = select(better, score, contest.score);
    contest.winner.scale = select(better, scale, contest.winner.scale);
    contest.winner.lowest = select(better, candidates[i].lowest, contest.winner.lowest);
    contest.winner.highest = select(better, candidates[i].highest, contest.winner.highest);
  }
}

template <int kBits>
Grid plain_symmetric(const Range& range) {
  constexpr float kHalf = 1 << (kBits - 1);
  return {usable_scale(extreme_of(range) * (-1.0f / kHalf)), broadcast(-kHalf), broadcast(kHalf - 1)};
}

template <int kBits>
Grid plain_asymmetric(const Range& range) {
  constexpr float kTop = (1 << kBits) - 1;
  const FloatLanes zero = {};
  const FloatLanes lowest = smaller(range.lowest, zero), highest = larger(range.highest, zero);
  const FloatLanes scale = usable_scale((highest - lowest) * (1.0f / kTop));
  const FloatLanes zero_point = round_to_even(smaller(-lowest / scale, broadcast(kTop)));
  return {scale, -zero_point, kTop - zero_point};
}

// Where the codes' extreme lands, relative to the grid: the winner lies between these on nearly all blocks of
// trained models (more candidates or a wider range gain less than 0.2 %).
Grid search_symmetric4(const Group& group, int size, const Range& range) {
  constexpr float kSteps[3][4] = {
      {-7.4f, -7.76f, -8.12f, -8.48f}, {-8.84f, -9.2f, 6.8f, 7.2f}, {7.6f, 8.0f, 8.4f, 8.8f}};
  const FloatLanes per_step = 1.0f / extreme_of(range);
  const FloatLanes lowest = broadcast(-8.0f), highest = broadcast(7.0f);
  Contest contest;
  for (const auto& steps : kSteps) {
    enter(group, size,
          {{per_step * steps[0], lowest, highest},
           {per_step * steps[1], lowest, highest},
           {per_step * steps[2], lowest, highest},
           {per_step * steps[3], lowest, highest}},
          contest);
  }
  return contest.winner;
}

Grid search_asymmetric4(const Group& group, int size, const Range& range) {
  constexpr float kSteps[3][4] = {
      {12.8f, 13.2f, 13.6f, 14.0f}, {14.4f, 14.8f, 15.2f, 15.6f}, {16.0f, 16.4f, 16.8f, 17.2f}};
  const FloatLanes zero = {};
  const FloatLanes lowest = smaller(range.lowest, zero), highest = larger(range.highest, zero);
  const FloatLanes per_step = 1.0f / larger(highest - lowest, broadcast(0x1p-30f));
  Contest contest;
  for (const auto& steps : kSteps) {
    Candidate candidates[4];
    for (int i = 0; i < 4; ++i) {
      const FloatLanes inverse = per_step * steps[i];
      // The middle of the range goes to the middle of the codes: what is cut is cut on both sides alike.
      const FloatLanes middle = (15.0f - (lowest + highest) * inverse) * 0.5f;
      const FloatLanes zero_point = round_to_even(smaller(larger(middle, zero), broadcast(15.0f)));
      candidates[i] = {inverse, -zero_point, 15.0f - zero_point};
    }
    enter(group, size, candidates, contest);
  }
  return contest.winner;
}

template <int kBits, bool kSymmetric>
Grid choose_grid(const Group& group, int size, bool search) {
  const Range range = range_of(group.values, size);
  const Grid plain = kSymmetric ? plain_symmetric<kBits>(range) : plain_asymmetric<kBits>(range);
  if (kSymmetric && kBits == 8) return plain;
  if (kSymmetric && !search) return plain;
  Best best = {plain, broadcast(0x1.fffffep127f), {}};
  try_grid(group, size, plain_symmetric<kBits>(range), best);
  if (!kSymmetric) try_grid(group, size, plain, best);
  if (kBits == 8 || !search) return best.grid;
  Grid found = kSymmetric ? search_symmetric4(group, size, range) : search_asymmetric4(group, size, range);
  found.scale = usable_scale(found.scale);
  try_grid(group, size, found, best);
  found.scale = usable_scale(best.refit);
  try_grid(group, size, found, best);
  return best.grid;
}

template <int kBits, bool kSymmetric>
void encode_blocks(const BlockTask& task) {
  const int size = task.block_size;
  const std::int64_t per_row = (task.width + size - 1) / size;
  const std::int64_t total = task.row_count * per_row;
  Group group;
  std::int64_t row = 0, column = 0;  // of the next block
  for (std::int64_t first = 0; first < total; first += kLanes) {
    Place places[kLanes];
    for (int lane = 0; lane < kLanes; ++lane) {
      places[lane] = place_block(task, row, column, kBits, group, lane);
      if (++column == per_row) column = 0, ++row;
    }
    transpose(group, size);
    Grid grid = choose_grid<kBits, kSymmetric>(group, size, task.search);
    const Range range = range_of(group.values, size);
    grid.scale = select((range.lowest == 0.0f) & (range.highest == 0.0f), broadcast(1.0f), grid.scale);
    write_codes<kBits>(group, size, grid, places);
    const IntLanes zero_point = round_to_int(-grid.lowest);
    for (int lane = 0; lane < kLanes && first + lane < total; ++lane) {
      task.scales[first + lane] = grid.scale[lane];
      if (!kSymmetric) task.zero_points[first + lane] = static_cast<std::uint8_t>(zero_point[lane]);
    }
  }
}

void encode_row(const float* in, std::int64_t count, float inverse, int zero_point, int lowest, int highest,
                std::uint8_t* out) {
  const float low = static_cast<float>(lowest - zero_point), high = static_cast<float>(highest - zero_point);
  for (std::int64_t i = 0; i < count; ++i) {
    float value = in[i] * inverse;
    value = value < low ? low : value;
    value = value > high ? high : value;
    value += kRounder;
    std::int32_t bits;
    std::memcpy(&bits, &value, sizeof(bits));
    out[i] = static_cast<std::uint8_t>(bits - kRounderBits + zero_point);
  }
}

void extend_range(const float* in, std::int64_t count, float* lowest, float* highest) {
  FloatLanes low = broadcast(*lowest), high = broadcast(*highest);
  std::int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    low = smaller(low, load(in + i));
    high = larger(high, load(in + i));
  }
  for (int lane = 0; lane < kLanes; ++lane) {
    *lowest = low[lane] < *lowest ? low[lane] : *lowest;
    *highest = high[lane] > *highest ? high[lane] : *highest;
  }
  for (; i < count; ++i) {
    *lowest = in[i] < *lowest ? in[i] : *lowest;
    *highest = in[i] > *highest ? in[i] : *highest;
  }
}

}  // namespace

extern const CodecKernels kCodecKernels;
const CodecKernels kCodecKernels = {encode_blocks<4, true>,
                                    encode_blocks<4, false>,
                                    encode_blocks<8, true>,
                                    encode_blocks<8, false>,
                                    encode_row,
                                    extend_range};

}  // namespace bantam::BANTAM_ISA_NAMESPACE
