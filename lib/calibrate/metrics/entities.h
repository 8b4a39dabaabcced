#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace bantam {

// Words [first, last] that are one entity.
struct Chunk {
  std::string type;
  std::int64_t first = 0;
  std::int64_t last = 0;
  auto operator<=>(const Chunk&) const = default;
};

// Entities in a sequence of tags ("B-PER", "I-PER", "O"), by the rules of CoNLL's conlleval that seqeval
// applies by default: IOB1, IOB2 and IOBES are all understood, and an I- that continues nothing begins an
// entity. BILOU's L and U are E and S.
std::vector<Chunk> chunks_of(std::span<const std::string> tags);

struct ChunkCounts {
  std::int64_t expected = 0;
  std::int64_t predicted = 0;
  std::int64_t right = 0;

  ChunkCounts& operator+=(const ChunkCounts& other);
  double precision() const;  // 0 where undefined
  double recall() const;
  double f1() const;
};

// Counts of one sentence, per type. Sums over sentences give seqeval's scores: entities count as right when
// type and both ends agree.
using ChunkCountsByType = std::map<std::string, ChunkCounts>;
ChunkCountsByType count_chunks(std::span<const std::string> expected, std::span<const std::string> predicted);

// F1 over all entities (micro average: what "F1" means for CoNLL-2003), and the mean of the types' F1.
double micro_f1(const ChunkCountsByType& counts);
double macro_f1(const ChunkCountsByType& counts);

}  // namespace bantam
