# bantam_isa_kernels(<target> <source>...): compiles each source once per instruction-set level and links the
# objects into <target>. The macro BANTAM_ISA_NAMESPACE separates them; base/isa.h chooses at run time.
# No fused multiply-add by contraction: encoders must give the same bytes on every level.
function(bantam_isa_kernels target)
  if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
    set(levels v2 v3 v4)
    set(flags_v2 -march=x86-64-v2)
    set(flags_v3 -march=x86-64-v3)
    set(flags_v4 -march=x86-64-v4 -mavx512vnni -mprefer-vector-width=512)
  elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64")
    set(levels v2 v3)
    set(flags_v2 -march=armv8-a)
    set(flags_v3 -march=armv8.2-a+dotprod)
  else()
    set(levels v2)
  endif()
  foreach(level IN LISTS levels)
    set(object ${target}_isa_${level})
    add_library(${object} OBJECT ${ARGN})
    target_include_directories(${object} PRIVATE ${PROJECT_SOURCE_DIR}/lib)
    target_link_libraries(${object} PRIVATE bantam_options)
    target_compile_definitions(${object} PRIVATE BANTAM_ISA_NAMESPACE=isa_${level})
    # Vectors wider than the level are passed between functions of one file only: no ABI is at stake.
    # Nobody looks at errno or at floating-point exception flags; loops with conditions become vectors without them.
    target_compile_options(${object} PRIVATE -O3 -ffp-contract=off -fno-math-errno -fno-trapping-math -Wno-psabi
                           ${flags_${level}})
    target_sources(${target} PRIVATE $<TARGET_OBJECTS:${object}>)
    set_target_properties(${object} PROPERTIES BANTAM_ISA_KERNEL ON)
    set_property(GLOBAL APPEND PROPERTY BANTAM_ISA_OBJECTS ${object})
  endforeach()
endfunction()
