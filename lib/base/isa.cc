#include "base/isa.h"

#include <array>
#include <cstdlib>

#include "base/error.h"
#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

namespace bantam {
namespace {

constexpr std::array<Isa, 3> kAll = {Isa::kV2, Isa::kV3, Isa::kV4};

#if defined(__x86_64__)
// The psABI levels feature by feature: clang 14's __builtin_cpu_supports does not know "x86-64-v3", nor F16C,
// MOVBE and LZCNT by name.
bool supports_v3() {
  unsigned a = 0, b = 0, basic = 0, extended = 0, d = 0;
  if (__get_cpuid(1, &a, &b, &basic, &d) == 0 || __get_cpuid(0x80000001u, &a, &b, &extended, &d) == 0)
    return false;
  return (basic & bit_F16C) != 0 && (basic & bit_MOVBE) != 0 && (extended & bit_LZCNT) != 0 &&
         __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi") &&
         __builtin_cpu_supports("bmi2");
}

bool supports_v4() {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512vl");
}
#endif

std::size_t detect() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (!supports_v3()) return 1;
  return supports_v4() && __builtin_cpu_supports("avx512vnni") ? 3 : 2;
#elif defined(__aarch64__)
  return (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0 ? 2 : 1;
#else
  return 1;
#endif
}

Isa choose() {
  const std::span<const Isa> available = available_isas();
  const char* wanted = std::getenv("BANTAM_ISA");
  if (wanted == nullptr || *wanted == '\0') return available.back();
  for (const Isa candidate : available) {
    if (name(candidate) == wanted) return candidate;
  }
  fail_usage("BANTAM_ISA={}: this machine has v2 to {}", wanted, name(available.back()));
}

}  // namespace

std::string_view name(Isa isa) {
  constexpr std::array<std::string_view, 3> kNames = {"v2", "v3", "v4"};
  return kNames.at(static_cast<std::size_t>(isa));
}

std::span<const Isa> available_isas() {
  static const std::size_t count = detect();
  return std::span(kAll).first(count);
}

Isa isa() {
  static const Isa chosen = choose();
  return chosen;
}

}  // namespace bantam
