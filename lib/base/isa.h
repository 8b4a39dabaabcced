#pragma once

#include <span>
#include <string_view>

namespace bantam {

// Instruction-set levels that hot kernels are compiled for, lowest first. On x86-64 these are the psABI
// levels (kV4 also needs AVX512-VNNI); on aarch64 kV2 is the base and kV3 adds the dot product.
enum class Isa { kV2, kV3, kV4 };

// The best level that this machine runs and the build contains. BANTAM_ISA=v2|v3|v4 in the environment lowers
// it (tests compare levels); asking for more than the machine has is an error.
Isa isa();
std::string_view name(Isa isa);
// All levels this machine runs, lowest first.
std::span<const Isa> available_isas();

}  // namespace bantam
