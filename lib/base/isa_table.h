#pragma once

#include "base/isa.h"

// Defines `const Type& function(Isa level)` and `const Type& function()`, the table of one level and of the
// best that this machine runs, of `extern const Type table` in namespace isa_v2, isa_v3 and isa_v4, which
// each *.isa.cc is compiled into. Inside namespace bantam.
#define BANTAM_ISA_TABLE(Type, table, function)      \
  BANTAM_ISA_DECLARE(Type, table)                    \
  const Type& function([[maybe_unused]] Isa level) { \
    return BANTAM_ISA_PICK(table);                   \
  }                                                  \
  const Type& function() {                           \
    static const Type& chosen = function(isa());     \
    return chosen;                                   \
  }

#define BANTAM_ISA_DECLARE_IN(space, Type, table) \
  namespace space {                               \
  extern const Type table;                        \
  }

// The levels that builds for each processor contain.
#if defined(__x86_64__)
#define BANTAM_ISA_DECLARE(Type, table)      \
  BANTAM_ISA_DECLARE_IN(isa_v2, Type, table) \
  BANTAM_ISA_DECLARE_IN(isa_v3, Type, table) \
  BANTAM_ISA_DECLARE_IN(isa_v4, Type, table)
#define BANTAM_ISA_PICK(table) \
  level == Isa::kV4 ? isa_v4::table : level == Isa::kV3 ? isa_v3::table : isa_v2::table
#elif defined(__aarch64__)
#define BANTAM_ISA_DECLARE(Type, table)      \
  BANTAM_ISA_DECLARE_IN(isa_v2, Type, table) \
  BANTAM_ISA_DECLARE_IN(isa_v3, Type, table)
#define BANTAM_ISA_PICK(table) level == Isa::kV3 ? isa_v3::table : isa_v2::table
#else
#define BANTAM_ISA_DECLARE(Type, table) BANTAM_ISA_DECLARE_IN(isa_v2, Type, table)
#define BANTAM_ISA_PICK(table) isa_v2::table
#endif
